//! Judges what the kernel answered when a ring was asked for. Pure: facts in, findings out.

use std::io;

use super::facts::{Confinement, Kernel, Ring};
use super::report::Finding;

const NAME: &str = "io_uring";

const SECCOMP_REMEDY: &str = "run the container with `--security-opt seccomp=PROFILE.json`, a profile that \
    allows io_uring_setup, io_uring_enter and io_uring_register (seccomp=unconfined only as a last resort); \
    in Kubernetes set securityContext.seccompProfile to a Localhost profile like that";

/// The verdict on the ring.
pub(super) fn io_uring(ring: Ring, confinement: &Confinement, kernel: &Kernel) -> Finding {
    match ring {
        Ring::Open { features, receives: true } => {
            Finding::ok(NAME, format!("works, features {features:#x}"), "io_uring can be used.")
        }
        Ring::Open { features, receives: false } => Finding::fail(
            NAME,
            format!("works without socket receives, features {features:#x}"),
            "The kernel's io_uring is too old to receive from sockets.",
        )
        .remedy("boot Linux 5.8 or newer"),
        Ring::Refused { call, errno } => {
            let found = format!("{call}: {}", io::Error::from_raw_os_error(errno));
            match errno {
                libc::EPERM | libc::EACCES => forbidden(found, confinement),
                libc::ENOSYS => absent(found, confinement, kernel),
                libc::ENOMEM => no_memory(found),
                libc::EMFILE | libc::ENFILE => Finding::fail(
                    NAME,
                    found,
                    "No file descriptor is left for an io_uring ring.",
                )
                .remedy(
                    "raise the limit of open files: LimitNOFILE=65536 (systemd) or `--ulimit nofile=65536`",
                ),
                _ => Finding::fail(NAME, found, "The kernel refuses an io_uring ring for an unusual reason.")
                    .remedy("look for the reason in the kernel's log: `journalctl -k`"),
            }
        }
    }
}

fn forbidden(found: String, confinement: &Confinement) -> Finding {
    let disabled = confinement.io_uring_disabled;
    // Level 1 spares the privileged, so under a filter it is the filter that stopped them.
    let by_sysctl = disabled >= 2 || (disabled == 1 && !(confinement.is_admin() && confinement.seccomp));
    if by_sysctl {
        let sentence = format!("io_uring is disabled by sysctl kernel.io_uring_disabled={disabled}.");
        return Finding::fail(NAME, found, sentence).remedy(sysctl_remedy(disabled, confinement.seccomp));
    }
    if confinement.seccomp {
        return blocked_by_seccomp(found);
    }
    Finding::fail(NAME, found, "io_uring is forbidden, though neither by sysctl nor by a seccomp filter.")
        .remedy(
            "ask the security module what it denied: `ausearch -m avc -ts recent` (SELinux) or \
         `journalctl -k --grep=DENIED` (AppArmor)",
        )
}

fn sysctl_remedy(disabled: u8, seccomp: bool) -> String {
    let group = match disabled {
        1 => "or add the service user to the group that kernel.io_uring_group names",
        _ => "or set it to 1 and add the service user to the group that kernel.io_uring_group names",
    };
    let filter = match seccomp {
        true => "; the seccomp filter that is also installed may have to allow io_uring_setup as well",
        false => "",
    };
    format!("`sysctl -w kernel.io_uring_disabled=0`, {group}{filter}")
}

fn blocked_by_seccomp(found: String) -> Finding {
    let sentence = "io_uring is blocked by a seccomp filter, usually that of Docker or Kubernetes.";
    Finding::fail(NAME, found, sentence).remedy(SECCOMP_REMEDY)
}

fn absent(found: String, confinement: &Confinement, kernel: &Kernel) -> Finding {
    let recent = kernel.version.is_some_and(|version| version >= (5, 1));
    if recent && confinement.seccomp {
        return blocked_by_seccomp(found);
    }
    let sentence = "The kernel has no io_uring: it is older than 5.1, built without it, or a sandbox such as \
        gVisor or WSL1.";
    Finding::fail(NAME, found, sentence).remedy("run on Linux 5.8 or newer, outside such a sandbox")
}

fn no_memory(found: String) -> Finding {
    Finding::fail(NAME, found, "The limit of locked memory is too low for an io_uring ring.")
        .remedy("LimitMEMLOCK=8M (systemd) or `--ulimit memlock=8388608` (Docker)")
}

/// The verdict on multishot receives, which only the faster of the socket backends needs.
pub(super) fn multishot(available: Option<bool>) -> Finding {
    const NAME: &str = "multishot_receive";
    match available {
        Some(true) => Finding::ok(NAME, "available", "Sockets can use the fastest backend."),
        Some(false) => Finding::note(NAME, "missing", "Sockets have to use a slower backend.")
            .remedy("boot Linux 6.1 or newer"),
        None => Finding::note(NAME, "unknown", "Nothing can be said while io_uring does not work."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    const ADMIN: u64 = 1 << 21;

    fn confined(seccomp: bool, io_uring_disabled: u8, capabilities: u64) -> Confinement {
        Confinement { seccomp, capabilities, io_uring_disabled }
    }

    fn judge(errno: i32, confinement: Confinement, release: &str) -> Finding {
        let ring = Ring::Refused { call: "io_uring_setup", errno };
        io_uring(ring, &confinement, &Kernel::parse(release))
    }

    #[track_caller]
    fn check_failure(finding: &Finding, sentence: &str, remedy: &str) {
        assert_eq!(finding.status, Status::Fail);
        assert!(finding.sentence.contains(sentence), "{finding:?}");
        assert!(finding.remedy.as_ref().unwrap().contains(remedy), "{finding:?}");
    }

    #[test]
    fn a_working_ring_is_fine() {
        let ring = Ring::Open { features: 0x1ff, receives: true };
        let finding = io_uring(ring, &confined(true, 1, 0), &Kernel::parse("6.1"));
        assert_eq!(finding, Finding::ok("io_uring", "works, features 0x1ff", "io_uring can be used."));
    }

    #[test]
    fn a_ring_without_receives_is_too_old() {
        let ring = Ring::Open { features: 1, receives: false };
        let finding = io_uring(ring, &Confinement::default(), &Kernel::parse("5.4"));
        check_failure(&finding, "too old", "5.8");
    }

    #[test]
    fn a_sysctl_is_named_with_its_value() {
        let one = judge(libc::EPERM, confined(false, 1, 0), "6.1");
        check_failure(&one, "kernel.io_uring_disabled=1.", "or add the service user");
        let two = judge(libc::EPERM, confined(false, 2, ADMIN), "6.1");
        check_failure(&two, "kernel.io_uring_disabled=2.", "or set it to 1 and add");
        assert!(!two.remedy.unwrap().contains("seccomp"));
    }

    #[test]
    fn a_sysctl_and_a_filter_together_are_both_mentioned() {
        let both = judge(libc::EPERM, confined(true, 1, 0), "6.1");
        check_failure(&both, "sysctl", "seccomp filter that is also installed");
        let privileged = judge(libc::EPERM, confined(true, 1, ADMIN), "6.1");
        check_failure(&privileged, "blocked by a seccomp filter", "seccomp=PROFILE.json");
        let rootless = judge(libc::EPERM, confined(false, 1, ADMIN), "6.1");
        check_failure(&rootless, "sysctl", "io_uring_group");
    }

    #[test]
    fn a_filter_is_named_for_either_of_its_answers() {
        for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
            let finding = judge(errno, confined(true, 0, 0), "6.8.0-generic");
            check_failure(&finding, "blocked by a seccomp filter", "--security-opt seccomp=");
        }
    }

    #[test]
    fn a_refusal_without_a_known_author_points_at_the_security_module() {
        check_failure(&judge(libc::EPERM, confined(false, 0, 0), "6.1"), "neither by sysctl", "ausearch");
    }

    #[test]
    fn a_missing_system_call_means_an_old_kernel_or_a_sandbox() {
        check_failure(&judge(libc::ENOSYS, confined(false, 0, 0), "4.19"), "older than 5.1", "5.8");
        check_failure(&judge(libc::ENOSYS, confined(true, 0, 0), "4.4.0"), "gVisor", "sandbox");
        check_failure(&judge(libc::ENOSYS, confined(true, 0, 0), ""), "gVisor", "sandbox");
    }

    #[test]
    fn a_lack_of_memory_means_the_memlock_limit() {
        check_failure(&judge(libc::ENOMEM, confined(true, 1, 0), "5.10"), "locked memory", "memlock=8388608");
    }

    #[test]
    fn other_answers_are_shown_as_they_came() {
        check_failure(&judge(libc::EMFILE, Confinement::default(), "6.1"), "descriptor", "LimitNOFILE");
        let odd = judge(libc::EINVAL, Confinement::default(), "6.1");
        check_failure(&odd, "unusual", "journalctl");
        assert!(odd.found.contains("Invalid argument"), "{odd:?}");
    }

    #[test]
    fn multishot_receives_are_never_a_failure() {
        assert_eq!(multishot(Some(true)).status, Status::Ok);
        let missing = multishot(Some(false));
        assert_eq!(
            (missing.status, missing.remedy.as_deref()),
            (Status::Note, Some("boot Linux 6.1 or newer"))
        );
        assert_eq!((multishot(None).status, multishot(None).remedy), (Status::Note, None));
    }
}
