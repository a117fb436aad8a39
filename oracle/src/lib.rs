//! Part of selvedge.
