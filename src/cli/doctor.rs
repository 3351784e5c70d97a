//! `socrun doctor`

use std::fmt::Write;
use std::io;
#[cfg(feature = "gpu")]
use std::time::Instant;

use super::exit::Exit;
use super::machine::cores;
use super::terminal::print;
use crate::backend::Executor;
use crate::backend::cpu::{Cpu, free_memory};
#[cfg(feature = "gpu")]
use crate::backend::gpu::{Adapter, Device, Gpu, adapters, peaks};
use crate::backend::selftest::{Tested, selftest};

/// Shows what this machine has, and tests every kind of work on every part of it.
pub(super) fn doctor() -> io::Result<Exit> {
    let threads = cores();
    let mut text = format!("CPU: {threads} threads, {:.1} GB free\n", free_memory() as f64 / 1e9);
    let mut well = true;
    let cpu = selftest(|program| {
        let cpu = Cpu::new(program, threads).map_err(|why| why.to_string())?;
        Ok(Box::new(cpu) as Box<dyn Executor>)
    });
    well &= report(&cpu, &mut text);
    #[cfg(feature = "gpu")]
    {
        let all = adapters();
        if all.is_empty() {
            text.push_str("\nno GPU: there is no driver for Vulkan, Metal or DirectX 12\n");
        }
        for adapter in all {
            well &= examine(adapter, &mut text);
        }
    }
    #[cfg(not(feature = "gpu"))]
    text.push_str("\nbuilt without GPUs\n");
    print(&text)?;
    Ok(if well { Exit::Done } else { Exit::Resources })
}

/// What an adapter is, allows and computes.
#[cfg(feature = "gpu")]
fn examine(adapter: Adapter, text: &mut String) -> bool {
    let limits = adapter.limits;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\ndevice {adapter}");
    let _ = writeln!(text, "  driver     {}", adapter.driver);
    let _ = writeln!(
        text,
        "  memory     {} bytes per range, {} per buffer, {} ranges",
        limits.binding, limits.buffer, limits.bindings
    );
    let _ = writeln!(
        text,
        "  workgroups {} invocations, {} shared bytes, {} per dispatch",
        limits.invocations, limits.workgroup_storage, limits.workgroups
    );
    let features = if adapter.features.is_empty() { "none".to_owned() } else { adapter.features.join(", ") };
    let _ = writeln!(text, "  optional   {features}");
    let _ =
        writeln!(text, "  chosen     {}", if adapter.software { "by name only" } else { "by itself where it pays" });
    let clock = Instant::now();
    let device = match Device::on(adapter) {
        Ok(device) => device,
        Err(why) => {
            let _ = writeln!(text, "  {why}");
            return false;
        }
    };
    let opened = clock.elapsed().as_secs_f64();
    let tested = selftest(|program| {
        let gpu = Gpu::new(program, &device).map_err(|why| why.to_string())?;
        Ok(Box::new(gpu) as Box<dyn Executor>)
    });
    let well = report(&tested, text);
    let seconds = clock.elapsed().as_secs_f64();
    let _ = match peaks(&device) {
        Ok(peaks) => {
            let (products, bytes) = (peaks.products / 1e9, peaks.bytes / 1e9);
            writeln!(text, "  peaks      products at {products:.1} GFLOP/s, copies at {bytes:.1} GB/s")
        }
        Err(why) => writeln!(text, "  {why}"),
    };
    if device.adapter().features.contains(&"cooperative matrices") {
        let _ = match device.with_matrix_units().and_then(|units| Ok((units.matrix_unit(), peaks(&units)?))) {
            Ok((unit, peaks)) => {
                let (side, half) = unit.map_or((0, false), |unit| (unit.side, unit.half));
                let factors = if half { "f16" } else { "f32" };
                let products = peaks.products / 1e9;
                writeln!(text, "  units      {side} × {side}, factors in {factors}, products at {products:.1} GFLOP/s")
            }
            Err(why) => writeln!(text, "  units      {why}"),
        };
    }
    let _ = writeln!(text, "  opened in {opened:.2} s, {} kernels built and run in {seconds:.2} s", device.kernels());
    well
}

/// Adds a line per kind of work.
fn report(tested: &[Tested], text: &mut String) -> bool {
    for test in tested {
        let verdict = if test.holds() { "ok" } else { "WRONG" };
        let _ = match &test.off {
            Ok(off) => writeln!(text, "  {verdict:<6}{:<21} off by {off:.1e} at most", test.what),
            Err(why) => writeln!(text, "  {verdict:<6}{:<21} {why}", test.what),
        };
    }
    tested.iter().all(Tested::holds)
}
