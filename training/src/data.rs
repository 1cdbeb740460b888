//! Labelled images from directories and binary files.
