//! The three levels, with workers made of the real services.
