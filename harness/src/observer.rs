//! Looking on while checks ask, and answering in the cluster's place.
//!
//! For tests of this very harness: where an observation is replaced by what a healthy
//! cluster shows, the check must miss the defect that it otherwise finds. If it still
//! fails, its verdict hangs on something else than what it says it saw. Nothing on
//! the command line leads here.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::Arc,
};

use winconform_reports::ResultId;

/// What was asked of the cluster, in words that are alike in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The check that asks.
    pub check: &'a ResultId,
    /// Which attempt of it, counted from 1.
    pub attempt: u32,
    /// What it asks.
    pub what: &'a str,
    /// The type of the answer.
    pub kind: TypeId,
}

/// An answer, of the very type that the check gets.
pub type Sight = Arc<dyn Any + Send + Sync>;

/// Sees what every question brought back, before the check does.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Takes the answer, nothing where there was an error; gives what the check is to see
    /// instead, nothing where it is to see what there was.
    fn see(&self, question: Question<'_>, seen: Option<Sight>) -> Option<Sight>;

    /// The answer to a question that would be waited for, where it need not be; nothing where it is to be asked.
    fn foretell(&self, question: Question<'_>) -> Option<Sight>;
}

/// Who asks: the observer is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) observer: Option<&'a Arc<dyn Observer>>,
    pub(crate) check: &'a ResultId,
    pub(crate) attempt: u32,
}

impl Asking<'_> {
    /// What the observer says would come of waiting.
    pub(crate) fn foretold<T: Clone + 'static>(self, what: &str) -> Option<T> {
        let question = self.question::<T>(what);
        self.observer?.foretell(question)?.downcast_ref::<T>().cloned()
    }

    fn question<'a, T: 'static>(&'a self, what: &'a str) -> Question<'a> {
        Question { check: self.check, attempt: self.attempt, what, kind: TypeId::of::<T>() }
    }

    /// Shows an answer to the observer, if there is one, and gives what is to be seen.
    pub(crate) fn shown<T, E>(self, what: &str, answer: Result<T, E>) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        let Some(observer) = self.observer else { return answer };
        let seen = answer.as_ref().ok().map(|answer| Arc::new(answer.clone()) as Sight);
        let instead = observer.see(self.question::<T>(what), seen);
        match instead.and_then(|instead| instead.downcast_ref::<T>().cloned()) {
            Some(instead) => Ok(instead),
            None => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use winconform_reports::Place;

    use super::*;

    #[derive(Debug)]
    struct Says(u32);

    impl Observer for Says {
        fn see(&self, question: Question<'_>, _seen: Option<Sight>) -> Option<Sight> {
            (question.what == "how many").then(|| Arc::new(self.0) as Sight)
        }

        fn foretell(&self, question: Question<'_>) -> Option<Sight> {
            self.see(question, None)
        }
    }

    fn asking<T>(observers: &[Arc<dyn Observer>], ask: impl FnOnce(Asking<'_>) -> T) -> T {
        let check = ResultId { check: "suite/check".parse().unwrap(), place: Place::Cluster };
        ask(Asking { observer: observers.first(), check: &check, attempt: 1 })
    }

    fn asked<T: Clone + Send + Sync + 'static>(what: &str, answer: Result<T, &'static str>) -> Result<T, &'static str> {
        asking(&[Arc::new(Says(7))], |asking| asking.shown(what, answer))
    }

    #[test]
    fn an_observer_may_answer_in_place_of_the_cluster_and_of_an_error() {
        assert_eq!(asked("how many", Ok(3_u32)), Ok(7));
        assert_eq!(asked("how many", Err::<u32, _>("lost")), Ok(7));
        assert_eq!(asked("which", Ok(3_u32)), Ok(3));
        assert_eq!(asked("which", Err::<u32, _>("lost")), Err("lost"));
    }

    #[test]
    fn an_observer_may_know_what_would_be_waited_for() {
        assert_eq!(asking(&[Arc::new(Says(7))], |asking| asking.foretold::<u32>("how many")), Some(7));
        assert_eq!(asking(&[Arc::new(Says(7))], |asking| asking.foretold::<u32>("which")), None);
        assert_eq!(asking(&[], |asking| asking.foretold::<u32>("how many")), None);
    }

    #[test]
    fn an_answer_of_another_type_is_none() {
        assert_eq!(asked("how many", Ok("three")), Ok("three"));
    }
}
