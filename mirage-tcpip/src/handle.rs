//! What flows, sockets and the stack's own handle have in common: the stack lives as long as one of them does.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell, RefMut};

use crate::engine::Engine;
use crate::world::World;

pub(crate) struct Shared {
    engine: RefCell<Engine>,
    pub world: Rc<dyn World>,
    /// Handles there are. The stack's own tasks hold none.
    users: Cell<usize>,
}

impl Shared {
    pub fn new(engine: Engine, world: Rc<dyn World>) -> Rc<Self> {
        Rc::new(Self { engine: RefCell::new(engine), world, users: Cell::new(0) })
    }

    /// The stack, at the present time. Nobody holds it while something is awaited.
    pub fn engine(&self) -> RefMut<'_, Engine> {
        let mut engine = self.engine.borrow_mut();
        engine.now = self.world.now();
        engine
    }

    /// The stack, without asking for the time, which costs as much as a short read: for what does not depend on it.
    pub fn unclocked(&self) -> RefMut<'_, Engine> {
        self.engine.borrow_mut()
    }

    /// Whether anybody could still ask for anything.
    pub fn in_use(&self) -> bool {
        self.users.get() > 0
    }
}

pub(crate) struct Handle(Rc<Shared>);

impl Handle {
    pub fn new(shared: &Rc<Shared>) -> Self {
        shared.users.set(shared.users.get() + 1);
        Self(shared.clone())
    }

    pub fn shared(&self) -> &Rc<Shared> {
        &self.0
    }

    pub fn engine(&self) -> RefMut<'_, Engine> {
        self.0.engine()
    }

    pub fn unclocked(&self) -> RefMut<'_, Engine> {
        self.0.unclocked()
    }

    pub fn world(&self) -> &dyn World {
        &*self.0.world
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.users.set(self.0.users.get() - 1);
        if !self.0.in_use() {
            // The driver ends when all that was promised is done.
            self.0.unclocked().kick();
        }
    }
}
