//! Buffers are taken and given back, waited for, and come home.

use super::support::actors::{die_alone, fork};
use super::support::alone::alone;
use super::support::patience::{PATIENCE, until};
use super::support::shared::{Mark, Shared};
use super::{LIMIT, Pair, SHORT, made, opened, options, pair, region, until_asleep};
use selvedge::region::{ObjectErrorKind, PoolError, Unusable};

#[test]
fn buffers_are_taken_and_given_back() {
    alone(LIMIT, || {
        let region = region();
        let pool = region.pool::<Pair>("pool", 2).expect("a pool");
        assert_eq!((pool.buffers(), pool.in_use(), pool.name()), (2, 0, "pool"));
        let mut one = pool.take().expect("two are there");
        assert_eq!(*one, [0, 0], "zeros at first");
        *one = pair(1);
        let mut two = pool.try_take().expect("one is there");
        *two = pair(2);
        assert_eq!((*one, *two, pool.in_use()), (pair(1), pair(2), 2));
        assert!(matches!(pool.try_take(), Err(PoolError::Empty)));
        assert!(matches!(pool.take_timeout(SHORT), Err(PoolError::TimedOut)));
        assert!(matches!(pool.take_deadline(selvedge::Deadline::after(SHORT)), Err(PoolError::TimedOut)));
        drop(one);
        assert_eq!(*pool.try_take().expect("one is there"), pair(1), "what is in it stays");
        drop(two);
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn a_pool_of_another_kind_is_refused() {
    let region = region();
    region.pool::<u64>("pool", 2).expect("a pool");
    let refused = |answer: Result<(), selvedge::region::ObjectError>| answer.expect_err("it is another").kind();
    let other = refused(region.pool::<u64>("pool", 3).map(drop));
    assert_eq!(other, ObjectErrorKind::WrongCapacity { found: 2, expected: 3 });
    let other = refused(region.pool::<u32>("pool", 2).map(drop));
    assert_eq!(other, ObjectErrorKind::WrongSize { found: 8, expected: 4 });
    assert_eq!(refused(region.queue::<u64>("pool", 2).map(drop)).to_string(), "is a pool, not a queue");
    let most = u32::MAX.into();
    assert_eq!(refused(region.pool::<u64>("none", 0).map(drop)), ObjectErrorKind::BadCapacity { given: 0, most });
    let given = 1 << 33;
    let many = refused(region.pool::<u64>("many", 1 << 33).map(drop));
    assert_eq!(many, ObjectErrorKind::BadCapacity { given, most });
    let large = refused(region.pool::<u64>("large", 1 << 31).map(drop));
    assert!(matches!(large, ObjectErrorKind::OutOfMemory { needed } if needed > 16 << 31), "{large}");
}

#[test]
fn buffers_of_the_killed_come_home() {
    alone(LIMIT, || {
        let pool = made().pool::<Pair>("pool", 2).expect("a pool");
        for _ in 0..20 {
            let (holds, waits) = (Shared::new(Mark::default()), Shared::new(Mark::default()));
            let holder = fork("the holder", || {
                let pool = opened().pool::<Pair>("pool", 2).expect("it is there");
                let _both = [pool.take().expect("two are there"), pool.take().expect("one is left")];
                holds.set(1);
                loop {
                    std::thread::park();
                }
            });
            holds.wait("somebody has both");
            let waiter = fork("the waiter", || {
                let pool = opened().pool::<Pair>("pool", 2).expect("it is there");
                waits.set(1);
                let _both = [(); 2].map(|()| pool.take_timeout(PATIENCE).expect("they come home"));
            });
            until_asleep(&waiter, &waits);
            assert_eq!(pool.in_use(), 2);
            holder.kill_and_reap();
            waiter.succeed();
            until("the waiter has gone", || pool.in_use() == 0);
        }
    });
}

#[test]
fn buffers_of_a_thread_that_ends_come_home() {
    alone(LIMIT, || {
        let region = region();
        let pool = region.pool::<u64>("pool", 2).expect("a pool");
        std::thread::scope(|scope| {
            // Joined: the scope alone does not wait for what a thread does when it ends.
            let thread = scope.spawn(|| std::mem::forget(pool.take().expect("two are there")));
            thread.join().expect("it forgets its buffer");
        });
        assert_eq!(pool.in_use(), 0, "what was forgotten comes home with the thread");
        // Nobody is told of the death of one thread; whoever waits for long looks for it.
        let region = options().backstop(Some(SHORT)).anonymous().expect("a region");
        let pool = region.pool::<u64>("pool", 1).expect("a pool");
        let killed = pool.clone();
        std::thread::spawn(move || {
            std::mem::forget(killed.take().expect("one is there"));
            die_alone();
        });
        until("the buffer is taken", || pool.in_use() == 1);
        drop(pool.take_timeout(PATIENCE).expect("it comes home"));
    });
}

#[test]
fn a_forked_child_does_not_give_back_what_is_its_parents() {
    alone(LIMIT, || {
        let pool = made().pool::<u64>("pool", 2).expect("a pool");
        let mut inherited = Some(pool.take().expect("two are there"));
        fork("the child", || {
            drop(inherited.take());
            assert!(matches!(pool.take(), Err(PoolError::Unusable(Unusable::ForkedChild, _))));
        })
        .succeed();
        assert_eq!(pool.in_use(), 1);
        drop(inherited.take());
        assert_eq!(pool.in_use(), 0);
    });
}
