//! The types that need no declaration: their widths, and their names in Rust.

/// A type that every description may use.
pub(crate) struct Primitive {
    /// Its name in the description and in C.
    pub(crate) name: &'static str,
    /// Bytes, which is also what it is aligned to unless `alignment` says otherwise.
    pub(crate) size: u64,
    /// What it is aligned to.
    pub(crate) alignment: u64,
    /// Its name in Rust.
    pub(crate) rust: &'static str,
}

const fn number(name: &'static str, size: u64, rust: &'static str) -> Primitive {
    Primitive { name, size, alignment: size, rust }
}

const PRIMITIVES: &[Primitive] = &[
    number("ULONG", 4, "u32"),
    number("DWORD", 4, "u32"),
    number("LONG", 4, "i32"),
    number("BOOL", 4, "BOOL"),
    number("HRESULT", 4, "HRESULT"),
    number("ULONGLONG", 8, "u64"),
    number("SHORT", 2, "i16"),
    number("USHORT", 2, "u16"),
    number("WCHAR", 2, "u16"),
    number("BOOLEAN", 1, "u8"),
    number("BYTE", 1, "u8"),
    number("UCHAR", 1, "u8"),
    number("char", 1, "c_char"),
    number("LPWSTR", POINTER_BYTES, "LPWSTR"),
    number("LPCWSTR", POINTER_BYTES, "LPCWSTR"),
    Primitive { name: "GUID", size: 16, alignment: 4, rust: "GUID" },
    Primitive { name: "CLSID", size: 16, alignment: 4, rust: "GUID" },
];

/// The width of a pointer: 64-bit systems only.
pub(crate) const POINTER_BYTES: u64 = 8;

/// The primitive type of that name.
pub(crate) fn primitive(name: &str) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|primitive| primitive.name == name)
}

/// Whether the type is a text: zero-terminated UTF-16.
pub(crate) fn is_text(name: &str) -> bool {
    matches!(name, "LPWSTR" | "LPCWSTR")
}
