use core::time::Duration;

/// What happens to the frames of one direction. Chances are in parts per million; the default is that nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impairment {
    /// The chance that a frame is lost.
    pub loss_ppm: u32,
    /// The chance that one bit of a frame, any of them, is turned over: the error that is hardest to detect. Real
    /// hardware throws most such frames away by their check sequence, which frames have none of here.
    pub corrupt_ppm: u32,
    /// The chance that a frame comes twice.
    pub duplicate_ppm: u32,
    /// The chance that a frame is held back for [`reorder_by`](Self::reorder_by), so that others overtake it.
    pub reorder_ppm: u32,
    /// How long such a frame is held back.
    pub reorder_by: Duration,
    /// How long a frame travels.
    pub delay: Duration,
    /// How much that varies: evenly between this much less, but not below zero, and this much more. To the microsecond,
    /// and up to half an hour. Frames keep their order: one does not arrive before those that left earlier.
    pub jitter: Duration,
    /// Bits per second; 0 for no bound. Ethernet's preamble and gaps are not counted.
    pub rate_bps: u64,
    /// Bytes that may go at once after a pause, whatever the rate: the depth of the token bucket.
    pub burst_bytes: u32,
    /// Frames that wait until the rate lets them go, the one that is going included, and at least one. Further ones are
    /// dropped, as a router does.
    pub queue_frames: usize,
}

impl Impairment {
    /// Nothing happens to a frame.
    pub const NONE: Self = Self {
        loss_ppm: 0,
        corrupt_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        reorder_by: Duration::from_millis(5),
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        rate_bps: 0,
        burst_bytes: 0,
        queue_frames: 100,
    };

    pub(super) fn is_none(&self) -> bool {
        self.loss_ppm | self.corrupt_ppm | self.duplicate_ppm | self.reorder_ppm == 0
            && self.delay.is_zero()
            && self.jitter.is_zero()
            && self.rate_bps == 0
    }
}

impl Default for Impairment {
    fn default() -> Self {
        Self::NONE
    }
}

/// What has happened to the frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Lost by chance.
    pub lost: u64,
    /// One of their bits was turned over.
    pub corrupted: u64,
    /// Came twice.
    pub duplicated: u64,
    /// Were held back.
    pub reordered: u64,
    /// Dropped because a queue was full.
    pub overflowed: u64,
}
