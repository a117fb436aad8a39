//! What is shown of an execution.

mod order;
mod picture;
mod script;

pub use picture::Picture;
pub(crate) use picture::draw;
pub(crate) use script::{Script, ScriptStep, read as read_script};
