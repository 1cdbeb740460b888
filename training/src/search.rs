//! Plans from what a supernet learned.
