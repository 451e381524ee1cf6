//! What people look at on a server: images, videos, and the boards that they are on.

pub mod boards;
pub mod images;
pub mod videos;
