//! Functions that answer, one file for each thing a person does.

pub mod broken;
pub mod edit;
pub mod export;
pub mod files;
pub mod history;
pub mod lists;
pub mod manage;
pub mod page;
pub mod served;
