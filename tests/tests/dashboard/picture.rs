//! What a screenshot shows, as far as figures can say it.

use std::collections::HashMap;

#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) colors: usize,
    /// How much of it has the most frequent color, in thousandths.
    pub(crate) most_frequent: usize,
    /// 0 is black, 255 is white.
    pub(crate) brightness: u64,
}

impl Picture {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let header = minipng::decode_png_header(bytes).expect("it is a PNG");
        let mut buffer = vec![0; header.required_bytes_rgba8bpc()];
        let mut picture = minipng::decode_png(bytes, &mut buffer).expect("a PNG has a picture");
        picture.convert_to_rgba8bpc().expect("the buffer is large enough");
        let mut counts: HashMap<[u8; 3], usize> = HashMap::new();
        let mut light = 0;
        for pixel in picture.pixels().chunks_exact(4) {
            *counts.entry([pixel[0], pixel[1], pixel[2]]).or_default() += 1;
            light += u64::from(pixel[0]) + u64::from(pixel[1]) + u64::from(pixel[2]);
        }
        let all: usize = counts.values().sum();
        Self {
            width: header.width(),
            height: header.height(),
            colors: counts.len(),
            most_frequent: counts.values().max().copied().unwrap_or(0) * 1_000 / all,
            brightness: light / 3 / all as u64,
        }
    }

    /// Fails when the page is blank, or nothing but a ground with a line on it.
    #[track_caller]
    pub(crate) fn expect_something(&self) {
        assert!(self.colors > 50 && self.most_frequent < 985, "{self:?}");
    }
}
