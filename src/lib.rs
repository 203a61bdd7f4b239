//! push-mux
