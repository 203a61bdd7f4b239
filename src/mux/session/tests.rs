use super::{ID_MAX, Session};
use crate::mux::{Config, Halves, Outgoing, Output, RefusedSend, Time};

#[test]
fn a_session_whose_ids_run_out_takes_no_new_work_and_finishes_the_old() {
    let now = Time::from_micros(1);
    let mut session = Session::new(Config::default(), now);
    session.next_id = ID_MAX - 1;
    let key = session.open(Halves::SEND, &Outgoing::from("the last but one")).expect("room");
    assert_eq!(session.request(&Outgoing::from("the last")), Ok(Some(ID_MAX)));
    for _ in 0..3 {
        assert_eq!(session.open(Halves::SEND, &Outgoing::from("x")), Err(RefusedSend::Ended));
        assert_eq!(session.request(&Outgoing::from("x")), Err(RefusedSend::Ended));
    }
    assert!(session.send(key, &Outgoing::from("still open")).is_ok());
    let mut output = Output::default();
    session.poll_transmit(now, &mut output, 1 << 20);
    assert!(output.len() > 40);
}

#[test]
fn lists_of_keys_do_not_grow_with_the_streams_that_were() {
    let now = Time::from_micros(1);
    let mut session = Session::new(Config::default(), now);
    let mut output = Output::default();
    for _ in 0..5000 {
        let key = session.open(Halves::BOTH, &Outgoing::from("open")).expect("open");
        let _ = session.send(key, &Outgoing::from("data"));
        session.poll_transmit(now, &mut output, 1 << 20);
        session.cancel(key, None);
        session.release(key);
        session.poll_transmit(now, &mut output, 1 << 20);
        let _ = output.take();
        session.settle();
        while session.poll_event().is_some() {}
    }
    assert_eq!(session.table.len(), 0);
    assert!(session.dirty.is_empty() && session.starved.is_empty() && session.touched.is_empty());
    assert!(session.room_waiters.is_empty() && session.schedule.is_empty());
    assert_eq!((session.received.used(), session.committed.used(), session.queued.used()), (0, 0, 0));
}
