//! GitHub as Hearth speaks to it: credentials, REST, scale sets, and the demand for runners.
