//! Mini-batches of an epoch, prepared ahead.
