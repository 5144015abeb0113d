//! Result codes of ours, for what VDS has no number for (0xA056_0001 and up).
//!
//! `0xA056_xxxx` is a failure with the customer bit (29) set and a facility of our own, so that no
//! number collides with VDS's. `as` names the VDS result that is reported where only VDS's own
//! numbers are understood. Append-only: a number or a dotted code is never reused.

use super::codes;

codes! { OWN:

    // Providers that break the contract.
    /// The provider reported success and returned no operation.
    VDSX_E_NO_OPERATION = 0xA056_0001 "provider.no_operation" Provider as E_UNEXPECTED
        => "Update or remove the provider; look for an object it may have made.";
    /// The provider's operation succeeded and left no output.
    VDSX_E_NO_OUTPUT = 0xA056_0002 "provider.no_output" Provider as E_UNEXPECTED
        => "Update or remove the provider; look for an object it may have made.";
    /// The provider's operation ended with an output of another type than it was made for.
    VDSX_E_WRONG_OUTPUT_TYPE = 0xA056_0003 "provider.wrong_output" Provider as E_UNEXPECTED
        => "Update or remove the provider.";
    /// The provider says it created a LUN and shows none.
    VDSX_E_NO_LUN = 0xA056_0004 "provider.no_lun" Provider as E_UNEXPECTED
        => "Update or remove the provider.";
    /// What the provider created does not behave as a LUN.
    VDSX_E_NO_LUN_INTERFACE = 0xA056_0005 "provider.no_interface" Provider as E_NOINTERFACE
        => "Update or remove the provider.";
    /// A size in the provider's answer does not add up.
    VDSX_E_BAD_SIZE = 0xA056_0006 "provider.bad_size" Provider as VDS_E_BAD_PROVIDER_DATA
        => "Update or remove the provider.";
    /// The provider's answer names a drive that is unknown or was not to be used.
    VDSX_E_BAD_DRIVE = 0xA056_0007 "provider.bad_drive" Provider as VDS_E_BAD_PROVIDER_DATA
        => "Update or remove the provider.";
    /// An id in the provider's answer is null, unknown, or belongs to something else.
    VDSX_E_BAD_ID = 0xA056_0008 "provider.bad_id" Provider as VDS_E_BAD_PROVIDER_DATA
        => "Update or remove the provider.";
    /// The provider died during the call.
    VDSX_E_PROVIDER_DIED = 0xA056_0009 "provider.died" Provider as VDS_E_PROVIDER_FAILURE
        => "It is started again by itself; see its log if it dies again.";
    /// The provider did not answer before its deadline.
    VDSX_E_PROVIDER_SILENT = 0xA056_000A "provider.silent" Provider as VDS_E_TIMEOUT
        => "See whether it hangs; restart it if it does.";
    /// The provider ended one operation twice; the first end stands.
    VDSX_E_DUPLICATE_END = 0xA056_000B "provider.duplicate_end" Provider as VDS_E_BAD_PROVIDER_DATA
        => "Update or remove the provider.";
    /// The provider used an operation id a second time.
    VDSX_E_REUSED_OPERATION = 0xA056_000C "provider.reused_operation" Provider
        as VDS_E_BAD_PROVIDER_DATA => "Update or remove the provider.";
    /// A bad answer left an object behind that could not be removed.
    VDSX_E_ORPHAN_LEFT = 0xA056_000D "provider.orphan_left" Provider as VDS_E_BAD_PROVIDER_DATA
        => "Delete it with the command shown with the operation.";
    /// Progress fell or went beyond 100 percent; it was corrected and the work goes on.
    VDSX_E_BAD_PROGRESS = 0xA056_000E "provider.bad_progress" Provider as VDS_E_BAD_PROVIDER_DATA
        => "Nothing to do; tell the provider's maker.";
    /// A message of the provider does not follow the protocol.
    VDSX_E_BAD_MESSAGE = 0xA056_000F "provider.bad_message" Provider as VDS_E_BAD_PROVIDER_DATA
        => "Update or remove the provider.";
    /// The provider broke its contract before and is given no new work.
    VDSX_E_PROVIDER_DISTRUSTED = 0xA056_0010 "provider.distrusted" Provider
        as VDS_E_PROVIDER_FAILURE => "Look at the provider's record, then clear the mark.";
    /// The provider's operation failed and yet returned an object.
    VDSX_E_OUTPUT_ON_FAILURE = 0xA056_0011 "provider.output_on_failure" Provider
        as VDS_E_BAD_PROVIDER_DATA => "Update or remove the provider.";
    /// After a restart the provider knows nothing of the operation.
    VDSX_E_UNKNOWN_TO_PROVIDER = 0xA056_0012 "provider.unknown_operation" Provider
        as VDS_E_PROVIDER_FAILURE => "Look at the object concerned, then start the work again.";
    /// The provider is not running at the moment.
    VDSX_E_PROVIDER_NOT_RUNNING = 0xA056_0013 "provider.not_running" Provider
        as VDS_E_PROVIDER_FAILURE => "See why, and when it is tried again: vds provider show.";
    /// The provider could not be started.
    VDSX_E_PROVIDER_START = 0xA056_0014 "provider.start_failed" Provider as VDS_E_PROVIDER_FAILURE
        => "The message says why; correct that, then: vds provider restart.";
    /// This kernel cannot confine the provider, so it was not started.
    VDSX_E_PROVIDER_UNCONFINED = 0xA056_0015 "provider.unconfined" NotSupported
        as VDS_E_NOT_SUPPORTED => "Use a kernel with landlock and seccomp, or add it with --unconfined.";
    /// What the provider handed over as a LUN's data cannot be used.
    VDSX_E_BAD_DESCRIPTOR = 0xA056_0016 "provider.bad_descriptor" Provider
        as VDS_E_BAD_PROVIDER_DATA => "Update or remove the provider.";

    // Operations.
    /// The idempotency key was used before, with other arguments.
    VDSX_E_KEY_CONFLICT = 0xA056_0100 "operation.key_conflict" Conflict as E_INVALIDARG
        => "Choose a new key, or repeat the first request exactly.";
    /// Operations of this kind cannot be cancelled.
    VDSX_E_CANCEL_NOT_SUPPORTED = 0xA056_0101 "operation.cancel_not_supported" NotSupported
        as VDS_E_NOT_SUPPORTED => "Wait for the end.";
    /// A restart came before the operation's commit, so it was undone.
    VDSX_E_ROLLED_BACK = 0xA056_0102 "operation.rolled_back" Busy as VDS_E_RETRY
        => "Start it again.";
    /// Operations of this kind cannot be paused.
    VDSX_E_PAUSE_NOT_SUPPORTED = 0xA056_0103 "operation.pause_not_supported" NotSupported
        as VDS_E_NOT_SUPPORTED => "Lower its priority, or cancel it.";
    /// The operation has ended, so there is nothing to change about it.
    VDSX_E_OPERATION_ENDED = 0xA056_0104 "operation.ended" Conflict as VDS_E_INVALID_STATE
        => "Look at its result.";
    /// No more operations are taken until some have ended.
    VDSX_E_TOO_MANY_OPERATIONS = 0xA056_0105 "operation.too_many" Busy
        as VDS_E_ANOTHER_CALL_IN_PROGRESS => "Wait for running operations, then try again.";
    /// The array has changed since the plan was made.
    VDSX_E_PLAN_STALE = 0xA056_0106 "operation.plan_stale" Conflict as VDS_E_RETRY
        => "Make a new plan.";
    /// The wait broke off; the operation itself goes on.
    VDSX_E_WAIT_FAILED = 0xA056_0107 "operation.wait_failed" Unavailable as E_FAIL
        => "Ask for its status, or wait again.";

    // The array.
    /// Too many drives failed at once, or another service opened the array too: it takes no writes rather than fork.
    VDSX_E_ARRAY_FROZEN = 0xA056_0200 "array.frozen" Device as VDS_E_OBJECT_STATUS_FAILED
        => "See the status of the subsystem: bring the named drives back, or stop one of the two services.";
    /// Too few of the array's drives are present to open it.
    VDSX_E_NO_QUORUM = 0xA056_0201 "array.no_quorum" Device as VDS_E_OBJECT_STATUS_FAILED
        => "Bring the missing drives back.";
    /// Exactly half of the array's drives are present; nobody can tell which half is newer.
    VDSX_E_HALF_PRESENT = 0xA056_0202 "array.half_present" Device as VDS_E_OBJECT_STATUS_FAILED
        => "Bring the others back, or open without them knowingly.";
    /// The drives carry two histories of one array, which are never merged.
    VDSX_E_ARRAY_DIVERGED = 0xA056_0203 "array.diverged" Conflict as VDS_E_OBJECT_OUT_OF_SYNC
        => "Choose the history to go on with, and wipe the other drives.";
    /// Another service has the array open.
    VDSX_E_ARRAY_IN_USE = 0xA056_0204 "array.in_use" Conflict as VDS_E_DEVICE_IN_USE
        => "Stop the other service.";
    /// Two devices claim to be the same drive, so neither is used.
    VDSX_E_DUPLICATE_MEMBER = 0xA056_0205 "array.duplicate_member" Device as VDS_E_DUPLICATE_DISK
        => "Remove the copy.";
    /// The array's catalog has no room for one more object.
    VDSX_E_CATALOG_FULL = 0xA056_0206 "array.catalog_full" NoSpace as VDS_E_CONFIG_LIMIT
        => "Delete objects that are not needed.";
    /// No good copy of the array's catalog was found.
    VDSX_E_CATALOG_CORRUPT = 0xA056_0207 "array.catalog_corrupt" Device
        as VDS_E_DISK_CONFIGURATION_CORRUPTED
        => "Do not write to the drives; read the LUNs out with the rescue command.";
    /// The drives were written by a newer version of this program.
    VDSX_E_FORMAT_NEWER = 0xA056_0208 "array.format_newer" NotSupported as VDS_E_NOT_SUPPORTED
        => "Use that version.";
    /// The drives have an older format and are upgraded only when told to.
    VDSX_E_FORMAT_OLDER = 0xA056_0209 "array.format_older" Conflict as VDS_E_INVALID_STATE
        => "Ask for the upgrade; there is no way back from it.";
    /// The array is being opened, or waits for absent drives.
    VDSX_E_ARRAY_OPENING = 0xA056_020A "array.opening" Busy as VDS_E_RETRY
        => "Try again shortly; the status says what it waits for.";
    /// The array can be read and not changed.
    VDSX_E_ARRAY_READ_ONLY = 0xA056_020B "array.read_only" Device as VDS_E_OBJECT_STATUS_FAILED
        => "See the status of the subsystem for the reason.";
    /// The array has as many drives as it can have.
    VDSX_E_TOO_MANY_DRIVES = 0xA056_020C "array.too_many_drives" NoSpace as VDS_E_CONFIG_LIMIT
        => "Replace a drive by a larger one.";
    /// A structure on a drive is damaged and no good copy of it is left.
    VDSX_E_METADATA_CORRUPT = 0xA056_020D "array.metadata_corrupt" Device
        as VDS_E_DISK_CONFIGURATION_CORRUPTED
        => "See the events for drive and address; restore what lay there.";
    /// The change is larger than one journal entry of the catalog.
    VDSX_E_TRANSACTION_TOO_LARGE = 0xA056_020E "array.transaction_too_large" NoSpace
        as VDS_E_CONFIG_LIMIT => "Make the change in several steps.";
    /// The change contradicts what the catalog says; nothing was changed.
    VDSX_E_TRANSACTION_INVALID = 0xA056_020F "array.transaction_invalid" Internal
        as VDS_E_INTERNAL_ERROR => "Report it together with the log.";
    /// The array was closed before the change was durable; it may be found done or not done.
    VDSX_E_ARRAY_CLOSED = 0xA056_0210 "array.closed" Busy as VDS_E_RETRY
        => "Look whether it was done once the array is open again.";
    /// None of the drives carries an array.
    VDSX_E_NO_ARRAY = 0xA056_0211 "array.no_drives" NotFound as VDS_E_OBJECT_NOT_FOUND
        => "Name the paths of its drives, or make an array.";
    /// The drives carry more than one array.
    VDSX_E_SEVERAL_ARRAYS = 0xA056_0212 "array.several" Conflict as E_INVALIDARG
        => "Name the one to open.";

    // Drives.
    /// There is data on the drive that is not ours.
    VDSX_E_FOREIGN_DATA = 0xA056_0300 "drive.foreign_data" Conflict as VDS_E_DISK_NOT_EMPTY
        => "Make sure the data is not needed, then name the drive's serial to wipe it.";
    /// The drive is too small for what it is to do.
    VDSX_E_DRIVE_TOO_SMALL = 0xA056_0301 "drive.too_small" InvalidArgument as VDS_E_NOT_ENOUGH_SPACE
        => "Choose a larger one.";
    /// The drive is mounted or held open by something else.
    VDSX_E_DRIVE_IN_USE = 0xA056_0302 "drive.in_use" Busy as VDS_E_DEVICE_IN_USE
        => "Unmount it or stop the holder.";
    /// The drive is a member of this array already.
    VDSX_E_DRIVE_ALREADY_MEMBER = 0xA056_0303 "drive.already_member" Conflict as VDS_E_OBJECT_EXISTS
        => "Nothing to do.";
    /// The drive belongs to another array of ours.
    VDSX_E_FOREIGN_ARRAY = 0xA056_0304 "drive.foreign_array" Conflict as VDS_E_DISK_NOT_EMPTY
        => "Open that array, or wipe the drive knowingly.";
    /// The drive is gone, or its path leads elsewhere.
    VDSX_E_DRIVE_VANISHED = 0xA056_0305 "drive.vanished" Device as VDS_E_OBJECT_STATUS_FAILED
        => "Bring it back or replace it.";
    /// A read from the drive failed.
    VDSX_E_DRIVE_READ = 0xA056_0306 "drive.read_failed" Device as VDS_E_DISK_IO_FAILING
        => "Watch the drive; replace it if this goes on.";
    /// A write to the drive failed.
    VDSX_E_DRIVE_WRITE = 0xA056_0307 "drive.write_failed" Device as VDS_E_DISK_IO_FAILING
        => "Replace the drive.";
    /// A flush of the drive failed, so it is trusted no longer.
    VDSX_E_DRIVE_FLUSH = 0xA056_0308 "drive.flush_failed" Device as VDS_E_DISK_IO_FAILING
        => "Replace the drive.";
    /// The drive holds the only copy of live data.
    VDSX_E_DRIVE_ONLY_COPY = 0xA056_0309 "drive.only_copy" Conflict as VDS_E_LAST_VALID_DISK
        => "Recover the LUNs named before taking the drive away.";
    /// LUNs still lie on the drive.
    VDSX_E_DRIVE_NOT_EMPTY = 0xA056_030A "drive.not_empty" Conflict as VDS_E_DISK_NOT_EMPTY
        => "Move them away first.";
    /// The serial named is not that of the drive.
    VDSX_E_WRONG_IDENTITY = 0xA056_030B "drive.wrong_identity" Conflict as E_INVALIDARG
        => "Check which device you mean.";
    /// The drive's sectors have a size that cannot be used.
    VDSX_E_SECTOR_SIZE = 0xA056_030C "drive.sector_size" NotSupported as VDS_E_INVALID_SECTOR_SIZE
        => "Use a drive with sectors of 512 or 4096 bytes.";
    /// The device or file could not be opened.
    VDSX_E_DRIVE_OPEN = 0xA056_030D "drive.open_failed" Device as VDS_E_OBJECT_STATUS_FAILED
        => "Check that it exists and may be opened for reading and writing.";
    /// What was read from the drive does not match its checksum.
    VDSX_E_CHECKSUM = 0xA056_030E "drive.checksum" Device as VDS_E_DISK_IO_FAILING
        => "Nothing if it was repaired; else restore the blocks named.";
    /// No drive can take over what was lost.
    VDSX_E_NO_REPLACEMENT = 0xA056_030F "drive.no_replacement" NoSpace as VDS_E_NOT_ENOUGH_DRIVE
        => "Add a drive, then recover.";
    /// The file system under a drive file is full.
    VDSX_E_BACKING_FULL = 0xA056_0310 "drive.backing_full" NoSpace as VDS_E_NOT_ENOUGH_SPACE
        => "Free space on that file system.";
    /// The drive is shorter than it was when it joined the array.
    VDSX_E_SIZE_CHANGED = 0xA056_0311 "drive.size_changed" Device
        as VDS_E_UNEXPECTED_DISK_LAYOUT_CHANGE => "Find out what cut it; replace it.";
    /// The drive did not answer a request in time.
    VDSX_E_DRIVE_TIMEOUT = 0xA056_0312 "drive.timeout" Device as VDS_E_DISK_IO_FAILING
        => "Watch the drive; replace it if this goes on.";
    /// The array has no such drive in use.
    VDSX_E_NO_SUCH_DRIVE = 0xA056_0313 "drive.not_found" NotFound as VDS_E_OBJECT_NOT_FOUND
        => "List the drives and check the name.";
    /// The drive failed while it was being used for this.
    VDSX_E_DRIVE_FAILED = 0xA056_0314 "drive.failed" Device as VDS_E_OBJECT_STATUS_FAILED
        => "Replace the drive, or choose another one.";
    /// The drive is laid out for another array.
    VDSX_E_DRIVE_LAYOUT = 0xA056_0315 "drive.layout" Conflict as VDS_E_DISK_NOT_EMPTY
        => "Wipe the drive knowingly, then add it again.";
    /// The drive carries no array of ours.
    VDSX_E_NO_SUPERBLOCK = 0xA056_0316 "drive.no_superblock" NotFound as VDS_E_DISK_NOT_INITIALIZED
        => "Check which device you mean.";

    // LUNs.
    /// Initiators are using the LUN.
    VDSX_E_LUN_IN_USE = 0xA056_0400 "lun.in_use" Busy as VDS_E_DEVICE_IN_USE
        => "Log them out first, or force the request.";
    /// Blocks of the LUN can be read from no drive.
    VDSX_E_DATA_LOST = 0xA056_0401 "lun.data_lost" Device as VDS_E_IO_ERROR
        => "Restore them; writing them makes them readable again.";
    /// The LUN takes no writes.
    VDSX_E_LUN_READ_ONLY = 0xA056_0402 "lun.read_only" Device as VDS_E_READONLY
        => "See its health for the reason.";
    /// The LUN's log is being replayed after a restart.
    VDSX_E_LUN_RECOVERING = 0xA056_0403 "lun.recovering" Busy as VDS_E_RETRY
        => "Try again shortly.";
    /// The space behind the LUN is used up.
    VDSX_E_LUN_FULL = 0xA056_0404 "lun.full" NoSpace as VDS_E_NOT_ENOUGH_SPACE
        => "Free space or add a drive.";
    /// The LUN's only plex cannot be removed.
    VDSX_E_LAST_PLEX = 0xA056_0405 "lun.last_plex" Conflict as VDS_E_INVALID_OPERATION
        => "Delete the LUN if that is what you mean.";
    /// The LUN has no redundancy from which it could be recovered.
    VDSX_E_NOT_REDUNDANT = 0xA056_0406 "lun.not_redundant" Conflict as VDS_E_INVALID_OPERATION
        => "Restore the data, or add a plex while it can be read.";
    /// The size is beyond what any LUN can have.
    VDSX_E_LUN_TOO_LARGE = 0xA056_0407 "lun.too_large" InvalidArgument as E_INVALIDARG
        => "Ask for less.";
    /// The LUN to become a plex is smaller than the one it would join.
    VDSX_E_PLEX_TOO_SMALL = 0xA056_0408 "lun.plex_too_small" Conflict as VDS_E_INVALID_OPERATION
        => "Choose one at least as large.";
    /// The array has as many LUNs as it can have.
    VDSX_E_LUN_LIMIT = 0xA056_0409 "lun.limit" NoSpace as VDS_E_CONFIG_LIMIT
        => "Delete LUNs that are not needed.";
    /// The LUN is not unmasked to this initiator.
    VDSX_E_LUN_MASKED = 0xA056_040A "lun.masked" Permission as VDS_E_ACCESS_DENIED
        => "Add the initiator to the unmasking list.";
    /// The blocks named lie beyond the end of the LUN.
    VDSX_E_OUT_OF_RANGE = 0xA056_040B "lun.out_of_range" InvalidArgument as E_INVALIDARG
        => "Read the capacity again.";
    /// Another initiator has reserved the LUN.
    VDSX_E_RESERVATION_CONFLICT = 0xA056_040C "lun.reservation_conflict" Conflict
        as VDS_E_DEVICE_IN_USE => "Release or preempt the reservation.";
    /// The data to be compared is not what is on the LUN; nothing was written.
    VDSX_E_MISCOMPARE = 0xA056_040D "lun.miscompare" Conflict as VDS_E_INVALID_STATE
        => "Read again and retry.";
    /// The LUN has as many plexes as it can have.
    VDSX_E_TOO_MANY_PLEXES = 0xA056_040E "lun.too_many_plexes" NoSpace as VDS_E_CONFIG_LIMIT
        => "Remove one first.";

    // Requests.
    /// The unmasking list is not written as it must be.
    VDSX_E_BAD_MASK = 0xA056_0500 "mask.invalid" InvalidArgument as E_INVALIDARG
        => "Separate WWNs and initiator names by semicolons, or give * or nothing.";
    /// A hint is out of its range or has no name known here.
    VDSX_E_BAD_HINTS = 0xA056_0501 "hints.invalid" InvalidArgument as E_INVALIDARG
        => "The message names the hint and its range.";
    /// The size is not written as it must be, or is no whole number of bytes.
    VDSX_E_BAD_SIZE_TEXT = 0xA056_0502 "size.invalid" InvalidArgument as E_INVALIDARG
        => "Write for instance 20GiB, 20GB or 21474836480.";
    /// The name is empty, too long, or has characters that are not allowed.
    VDSX_E_BAD_NAME = 0xA056_0503 "name.invalid" InvalidArgument as E_INVALIDARG
        => "Choose another name.";
    /// The LUN type is none that can be asked for.
    VDSX_E_BAD_TYPE = 0xA056_0504 "lun.invalid_type" InvalidArgument as E_INVALIDARG
        => "Choose one that the subsystem announces.";
    /// The text is no id.
    VDSX_E_BAD_ID_TEXT = 0xA056_0505 "id.invalid" InvalidArgument as E_INVALIDARG
        => "Give the 36 characters that lists show.";
    /// The list of drives names one twice or does not fit its count.
    VDSX_E_BAD_DRIVE_LIST = 0xA056_0506 "drive.invalid_list" InvalidArgument as E_INVALIDARG
        => "Name each drive once.";
    /// The request destroys or exposes data and was not confirmed.
    VDSX_E_NOT_CONFIRMED = 0xA056_0507 "request.not_confirmed" InvalidArgument as E_INVALIDARG
        => "Repeat it with --yes if you mean it.";
    /// The request cannot be read.
    VDSX_E_MALFORMED = 0xA056_0508 "request.malformed" InvalidArgument as E_INVALIDARG
        => "The message says where.";
    /// The request is longer than is taken.
    VDSX_E_TOO_LARGE = 0xA056_0509 "request.too_large" InvalidArgument as E_INVALIDARG
        => "Split it.";
    /// More than one object has this name or id prefix.
    VDSX_E_AMBIGUOUS_NAME = 0xA056_050A "name.ambiguous" Conflict as E_INVALIDARG
        => "Give the whole id.";
    /// The service has no such path or method.
    VDSX_E_NO_SUCH_ROUTE = 0xA056_050B "request.no_such_route" NotFound as E_NOTIMPL
        => "Check the path against the API's description.";
    /// A priority goes from 0, lowest, to 15, highest.
    VDSX_E_BAD_PRIORITY = 0xA056_050C "request.priority" InvalidArgument as E_INVALIDARG
        => "Give a number in that range.";
    /// The size must not be zero.
    VDSX_E_SIZE_ZERO = 0xA056_050D "size.zero" InvalidArgument as E_INVALIDARG => "Give a size.";

    // The service.
    /// The service cannot be reached.
    VDSX_E_SERVICE_UNREACHABLE = 0xA056_0600 "service.unreachable" Unavailable
        as RPC_S_SERVER_UNAVAILABLE => "Start it, or name its socket.";
    /// The service is still starting.
    VDSX_E_SERVICE_STARTING = 0xA056_0601 "service.starting" Unavailable as VDS_E_RETRY
        => "Try again shortly.";
    /// The service is stopping and takes no new work.
    VDSX_E_SERVICE_STOPPING = 0xA056_0602 "service.stopping" Unavailable as VDS_E_PROVIDER_EXITING
        => "Try again when it is back.";
    /// A service works on this data directory already.
    VDSX_E_SERVICE_RUNNING = 0xA056_0603 "service.already_running" Conflict as VDS_E_OBJECT_EXISTS
        => "Use that one or stop it.";
    /// The service's own store could not be read or written.
    VDSX_E_STORE_FAILED = 0xA056_0604 "service.store_failed" Device as VDS_E_INTERNAL_ERROR
        => "Check the file system of its data directory.";
    /// The service's own store is damaged.
    VDSX_E_STORE_CORRUPT = 0xA056_0605 "service.store_corrupt" Device as VDS_E_CACHE_CORRUPT
        => "Move the store aside and start again; the arrays on the drives are not concerned.";
    /// The caller did not prove who it is.
    VDSX_E_NOT_AUTHENTICATED = 0xA056_0606 "access.not_authenticated" Permission as E_ACCESSDENIED
        => "Give a valid token.";
    /// The caller's role does not allow this.
    VDSX_E_ROLE_TOO_LOW = 0xA056_0607 "access.role" Permission as E_ACCESSDENIED
        => "Ask somebody with a higher role.";
    /// The service's configuration is not valid.
    VDSX_E_BAD_CONFIGURATION = 0xA056_0608 "service.configuration" InvalidArgument as E_INVALIDARG
        => "The message names the file, the line and the setting.";
    /// Client and service do not understand one another.
    VDSX_E_VERSION_MISMATCH = 0xA056_0609 "service.version" NotSupported as VDS_E_NOT_SUPPORTED
        => "Use versions that match.";

    // Targets.
    /// The portal's address cannot be listened on.
    VDSX_E_LISTEN_FAILED = 0xA056_0700 "portal.listen_failed" Conflict as VDS_E_DEVICE_IN_USE
        => "Choose a free port and an address of this machine.";
    /// The portal is in another group of the same target.
    VDSX_E_PORTAL_IN_GROUP = 0xA056_0701 "portal.in_group" Conflict as VDS_E_INVALID_OPERATION
        => "Remove it from there first.";
    /// A CHAP secret has 12 to 16 bytes.
    VDSX_E_SECRET_LENGTH = 0xA056_0702 "chap.secret_length" InvalidArgument as E_INVALIDARG
        => "Choose a secret of that length.";
    /// The text is no iSCSI name.
    VDSX_E_BAD_TARGET_NAME = 0xA056_0703 "target.invalid_name" InvalidArgument as E_INVALIDARG
        => "Write it as iqn.YYYY-MM.reversed.domain:name.";
    /// The initiator's name or secret was not accepted.
    VDSX_E_LOGIN_REFUSED = 0xA056_0704 "iscsi.login_refused" Permission as VDS_E_ISCSI_LOGIN_FAILED
        => "Check both, and the unmasking list.";
    /// The LUN would be open to everybody beyond this machine.
    VDSX_E_PORTAL_EXPOSED = 0xA056_0705 "portal.exposed" Conflict as E_INVALIDARG
        => "Name initiators in the unmasking list, or confirm with --yes.";
    /// The initiator broke the protocol; its connection was closed.
    VDSX_E_PROTOCOL_ERROR = 0xA056_0706 "iscsi.protocol_error" InvalidArgument as E_INVALIDARG
        => "See the log for the rule; update the initiator.";
    /// No more sessions are taken until some have ended.
    VDSX_E_SESSION_LIMIT = 0xA056_0707 "iscsi.session_limit" Busy as VDS_E_ANOTHER_CALL_IN_PROGRESS
        => "Log initiators out that are not needed.";
    /// The target has no LUN number left.
    VDSX_E_NO_LUN_NUMBER = 0xA056_0708 "target.no_lun_number" NoSpace as VDS_E_CONFIG_LIMIT
        => "Use another target.";
    /// The secrets of the two directions must differ.
    VDSX_E_SAME_SECRET = 0xA056_0709 "chap.same_secret" InvalidArgument as E_INVALIDARG
        => "Choose another secret for one of them.";
}
