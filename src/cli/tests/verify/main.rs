//! `chitty verify`, and the checkers inside a package, over a sample package: as it is, changed
//! in every file, and made by somebody hostile.

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod package;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod vouched;
