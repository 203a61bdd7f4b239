//! Examinations under real restrictions, each in a child process because none can be taken back.

use std::process::Command;

use serde_json::Value;

use super::{Needs, examine, preflight};

/// Set in children, which restrict themselves and print what the doctor says.
const CHILD: &str = "PUSH_MUX_DOCTOR_CHILD";
const REPORT: &str = "doctor's report: ";

/// Starts this test binary again for the one test `name`, and there restricts the process and examines it.
///
/// The parent gets the report and the text of [`preflight`]'s error; the child gets `None`.
fn examine_in_child(name: &str, needs: &Needs, restrict: impl Fn()) -> Option<(Value, String)> {
    if std::env::var_os(CHILD).is_some() {
        restrict();
        let report = examine(needs).to_json();
        let unfit = preflight(needs).err().map_or_else(String::new, |unfit| unfit.to_string());
        println!("\n{REPORT}{}", serde_json::json!([report, unfit]));
        return None;
    }
    let (_crate, module) = module_path!().split_once("::").unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::{name}"), "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let report = text.lines().find_map(|line| line.strip_prefix(REPORT));
    Some(serde_json::from_str(report.expect("the child prints a report")).unwrap())
}

fn finding<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == name).unwrap()
}

/// Makes a system call fail with `errno` for the calling thread from now on.
fn block(call: libc::c_long, errno: i32) {
    let instruction = |code: u32, k: u32, skip_if_other: u8| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: skip_if_other,
        k,
    };
    let number = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, number, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32, 1),
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32, 0),
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: this only sets a flag of the calling thread; unprivileged filters require it.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: `filter` points to `len` instructions that outlive the call, and the kernel copies and verifies
    // them.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

fn set_limit_of_locked_memory(soft: u64, hard: u64) {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the kernel reads one `rlimit`.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }, 0);
}

#[track_caller]
fn check_blocked(name: &str, call: libc::c_long, errno: i32, found: &str) {
    let Some((report, unfit)) = examine_in_child(name, &Needs::default(), || block(call, errno)) else {
        return;
    };
    let finding = finding(&report, "io_uring");
    assert_eq!(report["fit"], false);
    assert_eq!(finding["status"], "fail");
    assert!(finding["found"].as_str().unwrap().starts_with(found), "{finding}");
    let sentence = "io_uring is blocked by a seccomp filter, usually that of Docker or Kubernetes.";
    assert_eq!(finding["sentence"], sentence);
    assert!(finding["remedy"].as_str().unwrap().contains("--security-opt seccomp="), "{finding}");
    assert!(unfit.starts_with(&format!("{sentence} Remedy: run the container with")), "{unfit}");
}

#[test]
fn a_filter_on_setup_is_recognised() {
    check_blocked(
        "a_filter_on_setup_is_recognised",
        libc::SYS_io_uring_setup,
        libc::EPERM,
        "io_uring_setup:",
    );
}

#[test]
fn a_filter_on_enter_is_recognised() {
    check_blocked(
        "a_filter_on_enter_is_recognised",
        libc::SYS_io_uring_enter,
        libc::EPERM,
        "io_uring_enter:",
    );
}

#[test]
fn a_filter_that_denies_the_call_exists_is_recognised() {
    let name = "a_filter_that_denies_the_call_exists_is_recognised";
    check_blocked(name, libc::SYS_io_uring_register, libc::ENOSYS, "io_uring_register:");
}

#[test]
fn a_low_hard_limit_of_locked_memory_is_recognised() {
    let name = "a_low_hard_limit_of_locked_memory_is_recognised";
    let restrict = || set_limit_of_locked_memory(16 << 10, 64 << 10);
    let Some((report, unfit)) = examine_in_child(name, &Needs::default(), restrict) else {
        return;
    };
    let finding = finding(&report, "locked_memory");
    assert_eq!(finding["status"], "fail");
    assert_eq!(finding["found"], "soft 64 KiB, raised from 16 KiB, hard 64 KiB");
    assert!(
        unfit.starts_with("Less than 512 KiB of memory may be locked. Remedy: LimitMEMLOCK=8M"),
        "{unfit}"
    );
}

#[test]
fn a_low_soft_limit_of_locked_memory_is_raised() {
    let name = "a_low_soft_limit_of_locked_memory_is_raised";
    let restrict = || set_limit_of_locked_memory(64 << 10, 1 << 20);
    let needs = Needs { shards: Some(1), ..Needs::default() };
    let Some((report, unfit)) = examine_in_child(name, &needs, restrict) else {
        return;
    };
    assert_eq!(finding(&report, "locked_memory")["status"], "ok");
    assert!(!unfit.contains("locked"), "{unfit}");
}

#[test]
fn a_wish_for_too_many_shards_is_recognised() {
    let report = examine(&Needs { shards: Some(1_000_000), ..Needs::default() }).to_json();
    let finding = finding(&report, "cpus");
    assert_eq!((&report["fit"], &report["exit_code"]), (&false.into(), &1.into()));
    assert_eq!(finding["status"], "fail");
    let sentence = finding["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("Asked for 1000000 shards but only "), "{sentence}");
}
