//! Result codes every COM interface shares, as far as VDS uses them.

use super::codes;

codes! { GENERIC:
    /// Done.
    S_OK = 0x0000_0000 "result.ok" Success;
    /// Done, and the answer is no, or fewer than asked for.
    S_FALSE = 0x0000_0001 "result.false" Success;
    /// The method does not exist here.
    E_NOTIMPL = 0x8000_4001 "request.not_implemented" NotSupported;
    /// The object does not offer the interface asked for.
    E_NOINTERFACE = 0x8000_4002 "object.no_interface" NotSupported;
    /// A pointer for a result is missing.
    E_POINTER = 0x8000_4003 "request.null_pointer" InvalidArgument;
    /// It failed, and nothing more is known.
    E_FAIL = 0x8000_4005 "result.failed" Internal => "See the log.";
    /// The service is not installed here.
    REGDB_E_CLASSNOTREG = 0x8004_0154 "service.not_registered" Unavailable
        => "Install it, or name the socket it listens on.";
    /// A contract was broken, for instance success without a result.
    E_UNEXPECTED = 0x8000_FFFF "result.unexpected" Provider
        => "The code beside this one says which rule; nothing of the answer was used.";
    /// The caller lacks the rights for this.
    E_ACCESSDENIED = 0x8007_0005 "access.denied" Permission
        => "Use an account or a token with the rights for it.";
    /// The handle is not valid.
    E_HANDLE = 0x8007_0006 "request.bad_handle" InvalidArgument;
    /// There was not enough memory.
    E_OUTOFMEMORY = 0x8007_000E "service.out_of_memory" NoSpace
        => "Try again when the machine has memory to spare.";
    /// An argument is not valid.
    E_INVALIDARG = 0x8007_0057 "request.invalid_argument" InvalidArgument
        => "The message names the argument; see the command's help.";
    /// The service cannot be reached from this process.
    RPC_S_SERVER_UNAVAILABLE = 0x8007_06BA "service.rpc_unavailable" Unavailable
        => "Start the service, or name the socket it listens on.";
}
