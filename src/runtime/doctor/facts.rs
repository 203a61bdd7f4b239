//! What was observed, before anybody judges it, and the readers of the texts that the kernel writes.

/// How far the kernel let a ring come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ring {
    /// A ring was set up, entered and probed.
    Open {
        /// The feature bits that setup returned.
        features: u32,
        /// Whether socket receives, the newest operation that the runtime asks for, are supported.
        receives: bool,
    },
    /// One of the three system calls failed.
    Refused {
        /// Its name.
        call: &'static str,
        /// What it answered.
        errno: i32,
    },
}

/// What confines the calling thread, by `/proc/thread-self/status` and sysctl.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Confinement {
    /// Whether a seccomp filter is installed.
    pub(super) seccomp: bool,
    /// The effective capabilities as a bit set.
    pub(super) capabilities: u64,
    /// `kernel.io_uring_disabled`: 0 for everybody allowed, 1 for the privileged and one group, 2 for nobody.
    pub(super) io_uring_disabled: u8,
}

impl Confinement {
    /// Locks memory without being charged for it.
    const CAP_IPC_LOCK: u32 = 14;
    /// Among much else, uses `io_uring` where sysctl allows only the privileged.
    const CAP_SYS_ADMIN: u32 = 21;

    /// Reads the status file of a thread and the value of the sysctl, either of which may be empty.
    pub(super) fn parse(status: &str, io_uring_disabled: &str) -> Self {
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map_or("", str::trim)
        };
        Self {
            seccomp: field("Seccomp") == "2",
            capabilities: u64::from_str_radix(field("CapEff"), 16).unwrap_or(0),
            io_uring_disabled: io_uring_disabled.trim().parse().unwrap_or(0),
        }
    }

    pub(super) fn locks_memory_freely(&self) -> bool {
        self.has(Self::CAP_IPC_LOCK)
    }

    pub(super) fn is_admin(&self) -> bool {
        self.has(Self::CAP_SYS_ADMIN)
    }

    fn has(&self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }
}

/// The running kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// As `uname -r` prints it; empty when it could not be read.
    pub(super) release: String,
    /// Major and minor number, where the release starts with them.
    pub(super) version: Option<(u32, u32)>,
}

impl Kernel {
    pub(super) fn parse(release: &str) -> Self {
        let release = release.trim();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next()?.parse().ok();
        let version = next().zip(next());
        Self { release: release.to_owned(), version }
    }

    /// Whether the kernel is known to be older than a version.
    pub(super) fn is_before(&self, version: (u32, u32)) -> bool {
        self.version.is_some_and(|own| own < version)
    }
}

/// A resource limit of this process after its soft value was raised to the hard one. [`Limit::NONE`] is no
/// limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// The soft value that was found.
    pub(super) before: u64,
    /// The soft value now.
    pub(super) soft: u64,
    /// The hard value.
    pub(super) hard: u64,
}

impl Limit {
    pub(super) const NONE: u64 = u64::MAX;

    /// The limit in words; `show` writes one value.
    pub(super) fn describe(&self, show: impl Fn(u64) -> String) -> String {
        let show = |value| if value == Self::NONE { "unlimited".to_owned() } else { show(value) };
        let raised = match self.before == self.soft {
            true => String::new(),
            false => format!(", raised from {}", show(self.before)),
        };
        format!("soft {}{raised}, hard {}", show(self.soft), show(self.hard))
    }
}

/// How new TCP sockets pace themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Congestion {
    /// The algorithm that new sockets start with; empty when unknown.
    pub(super) current: String,
    /// The algorithms that the kernel has loaded, separated by spaces.
    pub(super) available: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_by_whole_field_names() {
        let status = "Name:\tSeccomp: 2\nCapEff:\t0000000000204000\nNoNewPrivs:\t0\nSeccomp:\t2\n\
            Seccomp_filters:\t1\n";
        let read = Confinement::parse(status, "1\n");
        assert_eq!(read, Confinement { seccomp: true, capabilities: 0x20_4000, io_uring_disabled: 1 });
        assert!(read.is_admin());
        assert!(read.locks_memory_freely());
        assert_eq!(Confinement::parse("Seccomp:\t0\nSeccomp_filters:\t2\n", ""), Confinement::default());
        assert_eq!(Confinement::parse("", ""), Confinement::default());
    }

    #[test]
    fn releases_of_all_shapes_have_a_version() {
        let version = |release| Kernel::parse(release).version;
        assert_eq!(version("6.18.44-fc-v595\n"), Some((6, 18)));
        assert_eq!(version("5.8"), Some((5, 8)));
        assert_eq!(version("4.19-rc1"), Some((4, 19)));
        assert_eq!(version(""), None);
        assert_eq!(version("unknown"), None);
        assert!(Kernel::parse("5.7.19").is_before((5, 8)));
        assert!(!Kernel::parse("5.10.0").is_before((5, 8)));
        assert!(!Kernel::parse("").is_before((5, 8)));
    }

    #[test]
    fn limits_are_described_with_their_past() {
        let limit = Limit { before: 64, soft: 4096, hard: 4096 };
        assert_eq!(limit.describe(|value| value.to_string()), "soft 4096, raised from 64, hard 4096");
        let limit = Limit { before: 64, soft: 64, hard: Limit::NONE };
        assert_eq!(limit.describe(|value| value.to_string()), "soft 64, hard unlimited");
    }
}
