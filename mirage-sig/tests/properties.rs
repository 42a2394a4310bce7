//! What holds of every text that is read, and of every order in which a task is told things.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use mirage_sig::{Args, Cancelled, Cidr, Key, LogFilter, Mac, STANDARD_ARGS, Spawn};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_key_is_its_text(text in "[a-z/.]{0,12}|\\PC{0,40}") {
        if let Ok(key) = Key::new(&text) {
            prop_assert_eq!(Key::new(key.as_str()), Ok(key.clone()));
            prop_assert!(!key.as_str().starts_with('/') && !key.as_str().ends_with('/') && !key.as_str().contains("//"));
            let joined = key.segments().try_fold(Key::ROOT, |key, segment| key.join(segment));
            prop_assert_eq!(joined, Ok(key));
        }
    }

    #[test]
    fn a_key_lies_within_its_ancestors_and_nothing_else_of_its_line(text in "[ab]{1,2}(/[ab]{1,2}){0,4}") {
        let key = Key::new(&text).unwrap();
        prop_assert!(key.ancestors().all(|ancestor| key.is_within(&ancestor) && !ancestor.is_within(&key)));
        prop_assert_eq!(key.ancestors().last().unwrap_or_default(), key.parent().unwrap());
        prop_assert_eq!(key.ancestors().count() + 1, key.segments().count());
    }

    #[test]
    fn arguments_never_panic_and_never_pass_unknown(given in prop::collection::vec(("\\PC{0,20}|name|ipv4", "\\PC{0,40}"), 0..4)) {
        match Args::check(given.clone(), &[]) {
            Ok(args) => prop_assert_eq!(args.iter().count(), given.len()),
            Err(errors) => {
                prop_assert!(!errors.is_empty() && errors.len() <= given.len());
                prop_assert!(errors.iter().all(|error| !error.to_string().is_empty()));
            }
        }
    }

    #[test]
    fn a_name_with_one_letter_wrong_is_recognised(at in 0..STANDARD_ARGS.len(), place in 0..12usize, letter in "[a-z]") {
        let right = STANDARD_ARGS[at].name;
        prop_assume!(right.len() > 4 && place < right.len());
        let wrong = format!("{}{letter}{}", &right[..place], &right[place + 1..]);
        prop_assume!(STANDARD_ARGS.iter().all(|arg| arg.name != wrong));
        let errors = Args::check([(wrong, "x".into())], &[]).unwrap_err();
        prop_assert!(errors[0].to_string().contains("did you mean"), "{}", errors[0]);
    }

    #[test]
    fn addresses_and_filters_never_panic(text in "\\PC{0,60}|[0-9a-f:./]{0,30}|[a-z:*,]{0,30}") {
        if let Ok(mac) = text.parse::<Mac>() {
            prop_assert_eq!(mac.to_string().parse::<Mac>(), Ok(mac));
        }
        if let Ok(cidr) = text.parse::<Cidr>() {
            prop_assert_eq!(cidr.to_string().parse::<Cidr>(), Ok(cidr));
        }
        let _ = LogFilter::parse(&text);
    }

    /// Polls, wakes, cancels and drops in any order: a task gives its output once, or was cancelled, and never both.
    #[test]
    fn a_task_ends_once(needs in 0..4usize, steps in prop::collection::vec(0..4u8, 0..12)) {
        let platform = Tasks::default();
        let gates = Rc::new(RefCell::new(0));
        let opened = gates.clone();
        let mut task = platform.spawn(std::future::poll_fn(move |_| match *opened.borrow() >= needs {
            true => std::task::Poll::Ready("output"),
            false => std::task::Poll::Pending,
        }));
        let mut ended = None;
        for step in steps {
            match step {
                0 => platform.poll_all(),
                1 => *gates.borrow_mut() += 1,
                2 if ended.is_none() => {
                    if let std::task::Poll::Ready(end) = Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())) {
                        prop_assert!(end == Err(Cancelled) || *gates.borrow() >= needs);
                        ended = Some(end);
                    }
                }
                _ => {
                    task.cancel();
                    prop_assert!(task.is_finished());
                }
            }
        }
        // The platform ends: whoever still waits is told.
        platform.0.borrow_mut().clear();
        prop_assert!(task.is_finished());
        let last = pollster::block_on(&mut task);
        prop_assert!(ended.is_none() || last == Err(Cancelled), "the output is given once");
        prop_assert_eq!(pollster::block_on(task), Err(Cancelled));
    }
}

type BoxedTask = Pin<Box<dyn Future<Output = ()>>>;

/// A platform that polls when it is told to.
#[derive(Default)]
struct Tasks(RefCell<VecDeque<BoxedTask>>);

impl Tasks {
    fn poll_all(&self) {
        let tasks = self.0.take();
        for mut task in tasks {
            if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                self.0.borrow_mut().push_back(task);
            }
        }
    }
}

impl Spawn for Tasks {
    fn spawn_boxed(&self, task: BoxedTask) {
        self.0.borrow_mut().push_back(task);
    }
}
