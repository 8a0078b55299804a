//! The ways to write a form with the arguments that there are.
//!
//! There are as many ways as subsets of what is optional: they are searched, one after the other,
//! and none is begun that the number or the names of the arguments rule out.

use super::form::{Form, Kind};

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'f> {
    Text(&'f str),
    Char(char, char),
    Group(usize),
}

/// Which groups are to be written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal<'g> {
    /// Those that have a value here.
    Named(&'g [Option<&'g str>]),
    /// So many.
    Count(usize),
    /// Whichever.
    #[cfg_attr(
        not(feature = "service"),
        expect(dead_code, reason = "asked for by the page in development")
    )]
    Any,
}

/// Steps after which the search ends: no pattern in use needs as many.
const MOST_STEPS: usize = 50_000;

pub(super) struct Search<'f> {
    goal: Goal<'f>,
    todo: Vec<Item<'f>>,
    /// How many groups what is to do writes at least and at most.
    least: usize,
    most: usize,
    pub(super) pieces: Vec<Piece<'f>>,
    /// The groups in `pieces`, each once.
    pub(super) groups: Vec<usize>,
    forks: Vec<Fork<'f>>,
    steps: usize,
}

#[derive(Clone, Copy)]
struct Item<'f> {
    form: &'f Form,
    /// It has been written before: its groups need no further argument.
    again: bool,
}

impl Item<'_> {
    fn least(&self) -> usize {
        if self.again { 0 } else { self.form.least }
    }
}

/// Where there are other ways to go on.
struct Fork<'f> {
    todo: Vec<Item<'f>>,
    least: usize,
    most: usize,
    pieces: usize,
    groups: usize,
    again: bool,
    /// The next one is the last.
    ways: Vec<Way<'f>>,
}

/// A form, or to leave it out.
type Way<'f> = Option<&'f Form>;

impl<'f> Search<'f> {
    pub(super) fn new(form: &'f Form, goal: Goal<'f>) -> Self {
        let mut search = Self {
            goal,
            todo: Vec::new(),
            least: 0,
            most: 0,
            pieces: Vec::new(),
            groups: Vec::new(),
            forks: Vec::new(),
            steps: 0,
        };
        search.fork(vec![Some(form)], false);
        search
    }

    /// Goes on to the next way; false if there is none.
    pub(super) fn advance(&mut self) -> bool {
        while self.go_back() {
            if self.go_on() {
                return true;
            }
        }
        false
    }

    /// Does what is to do; false if that leads nowhere.
    fn go_on(&mut self) -> bool {
        while self.is_feasible() {
            let Some(item) = self.todo.pop() else {
                return self.is_complete();
            };
            self.steps += 1;
            self.least -= item.least();
            self.most -= item.form.most;
            match &item.form.kind {
                Kind::Text(text) => self.pieces.push(Piece::Text(text)),
                Kind::Char(nicest, other) => self.pieces.push(Piece::Char(*nicest, *other)),
                Kind::Group(group) => {
                    self.pieces.push(Piece::Group(*group));
                    if !self.groups.contains(group) {
                        self.groups.push(*group);
                    }
                }
                Kind::All(forms) => {
                    for form in forms.iter().rev() {
                        self.push(form, item.again);
                    }
                }
                Kind::Times(form, times) => {
                    for _ in 1..*times {
                        self.push(form, true);
                    }
                    self.push(form, item.again);
                }
                Kind::Optional(form) => {
                    self.fork(self.ways_of_optional(form), item.again);
                    return false;
                }
                Kind::Either(forms) => {
                    self.fork(self.ways_of_either(forms), item.again);
                    return false;
                }
            }
        }
        false
    }

    fn push(&mut self, form: &'f Form, again: bool) {
        let item = Item { form, again };
        self.least += item.least();
        self.most += form.most;
        self.todo.push(item);
    }

    fn ways_of_optional(&self, form: &'f Form) -> Vec<Way<'f>> {
        match self.goal {
            Goal::Named(values) if form.has(&|group| is_given(values, group)) => vec![Some(form)],
            Goal::Named(_) => vec![None],
            // The first groups take the arguments, so that those behind are left out.
            Goal::Count(count) if self.groups.len() < count => vec![Some(form), None],
            Goal::Count(_) | Goal::Any => vec![None, Some(form)],
        }
    }

    fn ways_of_either(&self, forms: &'f [Form]) -> Vec<Way<'f>> {
        let mut ways: Vec<Way<'f>> = Vec::new();
        if let Goal::Named(values) = self.goal {
            let given = |form: &&Form| form.has(&|group| is_given(values, group));
            ways.extend(forms.iter().filter(given).map(Some));
        }
        if ways.is_empty() {
            ways.extend(forms.iter().map(Some));
        }
        ways
    }

    /// Notes the ways to go on here; they are taken by `go_back`.
    fn fork(&mut self, mut ways: Vec<Way<'f>>, again: bool) {
        ways.reverse();
        self.steps += self.todo.len();
        self.forks.push(Fork {
            todo: self.todo.clone(),
            least: self.least,
            most: self.most,
            pieces: self.pieces.len(),
            groups: self.groups.len(),
            again,
            ways,
        });
    }

    /// Takes the next way at the last fork that has one.
    fn go_back(&mut self) -> bool {
        if self.steps > MOST_STEPS {
            return false;
        }
        while let Some(fork) = self.forks.last_mut() {
            let Some(way) = fork.ways.pop() else {
                self.forks.pop();
                continue;
            };
            let again = fork.again;
            (self.least, self.most) = (fork.least, fork.most);
            self.pieces.truncate(fork.pieces);
            self.groups.truncate(fork.groups);
            if fork.ways.is_empty() {
                self.todo = std::mem::take(&mut fork.todo);
                self.forks.pop();
            } else {
                self.todo.clone_from(&fork.todo);
                self.steps += self.todo.len();
            }
            if let Some(form) = way {
                self.push(form, again);
            }
            return true;
        }
        false
    }

    /// Whether what is written by now can still become what is wanted.
    fn is_feasible(&self) -> bool {
        match self.goal {
            Goal::Named(values) => {
                let last = self.groups.last();
                last.is_none_or(|&group| is_given(values, group))
            }
            Goal::Count(count) => {
                let written = self.groups.len();
                written + self.least <= count && count <= written.saturating_add(self.most)
            }
            Goal::Any => true,
        }
    }

    fn is_complete(&self) -> bool {
        match self.goal {
            Goal::Named(values) => self.groups.len() == values.iter().flatten().count(),
            Goal::Count(count) => self.groups.len() == count,
            Goal::Any => true,
        }
    }
}

fn is_given(values: &[Option<&str>], group: usize) -> bool {
    values.get(group).is_some_and(Option::is_some)
}
