//! How long single dispatches take: each is a pass of its own, between two stamps of the device's clock.

use super::device::Shared;

/// Dispatches between two readings of the stamps.
pub(super) const MOST: usize = 1024;

/// Stamps of a device, two per dispatch.
pub(super) struct Stamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    back: wgpu::Buffer,
}

impl Stamps {
    /// Room for the stamps of [`MOST`] dispatches; none on a device without a clock.
    pub fn new(shared: &Shared) -> Option<Self> {
        if !shared.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return None;
        }
        let buffer = |usage| {
            let size = 16 * MOST as u64;
            shared.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        let set = shared.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2 * MOST as u32,
        });
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let back = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        Some(Self { set, resolved, back })
    }

    /// Where the pass of a dispatch puts its stamps.
    pub fn writes(&self, dispatch: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * dispatch as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Fetches the stamps of so many dispatches, behind what was recorded.
    pub fn fetch(&self, count: usize, commands: &mut wgpu::CommandEncoder) {
        commands.resolve_query_set(&self.set, 0..2 * count as u32, &self.resolved, 0);
        commands.copy_buffer_to_buffer(&self.resolved, 0, &self.back, 0, 16 * count as u64);
    }

    /// The seconds of so many dispatches, after their stamps were fetched and submitted.
    ///
    /// # Errors
    /// Why the device was lost.
    pub fn seconds(&self, count: usize, shared: &Shared) -> Result<Vec<f64>, String> {
        let period = f64::from(shared.queue.get_timestamp_period()) * 1e-9;
        let stamps = shared.words(&self.back)?;
        let stamp = |i: usize| u64::from(stamps[2 * i]) | u64::from(stamps[2 * i + 1]) << 32;
        Ok((0..count).map(|i| stamp(2 * i + 1).saturating_sub(stamp(2 * i)) as f64 * period).collect())
    }
}
