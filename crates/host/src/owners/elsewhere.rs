//! Systems that show files only with the owners that they store.

use std::path::Path;

use super::MappingError;

pub(super) fn idmapped_binds(_path: &Path) -> Result<(), MappingError> {
    Err(MappingError::Unsupported)
}
