#!/bin/sh
# Installs what `cargo build --release` made.
#
#   packaging/install.sh [--from FOLDER] [--destdir FOLDER] [--prefix PREFIX] PART…
#
# PART is `vds` (the program with its service, and the host of providers in C++), `libvds` (shared and static library,
# headers, pkg-config) or `embedded` (libvds with the service in it). FOLDER is where cargo put them, target/release
# unless given. Everything is looked for before anything is installed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
from=$root/target/release
destdir=
prefix=/usr
parts=

stop() {
    echo "install.sh: $1" >&2
    exit "${2:-1}"
}

while [ $# -gt 0 ]; do
    case $1 in
    --from | --destdir | --prefix)
        [ $# -gt 1 ] || stop "$1 needs a value" 2
        case $1 in
        --from) from=$2 ;;
        --destdir) destdir=$2 ;;
        --prefix) prefix=$2 ;;
        esac
        shift
        ;;
    vds | libvds | embedded) parts="$parts $1" ;;
    *) stop "$1 is no part: give vds, libvds or embedded" 2 ;;
    esac
    shift
done
[ -n "$parts" ] || stop "say what to install: vds, libvds, embedded" 2

need() { # FILE PACKAGE
    [ -f "$from/$1" ] || stop "$from/$1 has not been built: cargo build --release -p $2"
}

for part in $parts; do
    case $part in
    vds) need vds vds && need vds-com-host vds-com-host ;;
    libvds) need libvds_com.so vds-com && need libvds_com.a vds-com ;;
    embedded) need libvds_com_embedded.so vds-com-embedded ;;
    esac
done

put() { # MODE FILE PLACE
    install -D -m "$1" "$2" "$destdir$3"
}

for part in $parts; do
    case $part in
    vds)
        put 755 "$from/vds" "$prefix/bin/vds"
        put 755 "$from/vds-com-host" "$prefix/bin/vds-com-host"
        # The unit names the program where a distribution has it.
        put 644 "$root/packaging/vds.service" "$prefix/lib/systemd/system/vds.service"
        sed -i "s|/usr/bin/vds|$prefix/bin/vds|" "$destdir$prefix/lib/systemd/system/vds.service"
        put 644 "$root/packaging/vds.sysusers" "$prefix/lib/sysusers.d/vds.conf"
        put 644 "$root/packaging/vds.tmpfiles" "$prefix/lib/tmpfiles.d/vds.conf"
        ;;
    libvds)
        put 755 "$from/libvds_com.so" "$prefix/lib/libvds.so.0"
        ln -sf libvds.so.0 "$destdir$prefix/lib/libvds.so"
        put 644 "$from/libvds_com.a" "$prefix/lib/libvds.a"
        for header in "$root"/crates/vds-com/include/*.h; do
            put 644 "$header" "$prefix/include/vds/$(basename "$header")"
        done
        version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
        put 644 "$root/packaging/libvds.pc.in" "$prefix/lib/pkgconfig/libvds.pc"
        sed -i "s|@PREFIX@|$prefix|; s|@VERSION@|$version|" "$destdir$prefix/lib/pkgconfig/libvds.pc"
        ;;
    embedded)
        put 755 "$from/libvds_com_embedded.so" "$prefix/lib/vds/embedded/libvds.so.0"
        ;;
    esac
done
