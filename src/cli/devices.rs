//! The GPU that the command line names or leaves to be chosen.

use std::sync::OnceLock;

use super::args::{Activations, Backend, Target};
use super::errors::{DeviceWithoutGpu, OptionWithoutGpu};
use crate::backend::gpu::{Device, adapters, estimate};
use crate::diagnostic::Report;
use crate::graph::Program;

/// Operations of a program below which no device is looked for: looking takes longer than many runs of it.
const LIGHT: u128 = 20_000_000;

/// The seconds that a dispatch takes on a card, whatever it does, and the operations per second of a card and of a core.
const DISPATCH: f64 = 6e-6;
const CARD: f64 = 4e12;
const CORE: f64 = 1.2e11;

/// The device in use, opened when it is first needed.
pub(super) struct Devices {
    /// Whether every program goes there.
    always: bool,
    opened: OnceLock<Option<Device>>,
    given: OnceLock<()>,
}

impl Devices {
    /// Opens the device that is asked for; without a name, one that is no software.
    ///
    /// # Errors
    /// When it is not there, or a device is named for a backend that uses none.
    pub(super) fn new(target: &Target) -> Result<Self, Report> {
        let (backend, name, half) = (target.backend, target.device.as_deref(), target.activations == Activations::F16);
        let devices = |always, opened| Self { always, opened, given: OnceLock::new() };
        match (backend, name) {
            (Backend::Gpu, _) | (Backend::Auto, Some(_)) => {
                let mut device = Device::open(name).map_err(Report::new)?;
                if target.matrix_units {
                    device = device.with_matrix_units().map_err(Report::new)?;
                }
                if half {
                    device = device.with_half_activations().map_err(Report::new)?;
                }
                Ok(devices(true, OnceLock::from(Some(device))))
            }
            _ if half => Err(Report::new(OptionWithoutGpu { option: "--activations f16", backend: backend.name() })),
            _ if target.matrix_units => {
                Err(Report::new(OptionWithoutGpu { option: "--matrix-units", backend: backend.name() }))
            }
            (Backend::Cpu | Backend::Reference, Some(_)) => {
                Err(Report::new(DeviceWithoutGpu { backend: backend.name() }))
            }
            (Backend::Auto, None) => Ok(devices(false, OnceLock::new())),
            (Backend::Cpu | Backend::Reference, None) => Ok(devices(false, OnceLock::from(None))),
        }
    }

    /// The device for a program, if it pays.
    pub(super) fn choose(&self, program: &Program) -> Option<Device> {
        if !self.always {
            let estimate = estimate(program).ok()?;
            let work = (estimate.cost.products + 4 * estimate.cost.elementwise) as f64;
            let on_card = estimate.dispatches as f64 * DISPATCH + work / CARD;
            if work < LIGHT as f64 || work / CORE < on_card {
                return None;
            }
        }
        let device = self.opened.get_or_init(|| {
            let hardware = adapters().into_iter().filter(|a| !a.software);
            Device::on(hardware.min_by_key(|a| (!a.own_card, a.index))?).ok()
        });
        if device.is_some() {
            let _ = self.given.set(());
        }
        device.clone()
    }

    /// The name of the device, if a program was given to it.
    pub(super) fn in_use(&self) -> Option<&str> {
        self.given.get()?;
        self.opened.get()?.as_ref().map(|device| device.adapter().name.as_str())
    }

    /// The longest dispatch of all programs that were given to it and looked at the clock.
    pub(super) fn longest(&self) -> Option<String> {
        let (seconds, kind) = self.opened.get()?.as_ref()?.longest()?;
        Some(format!("socrun: the longest dispatch, of {kind}, took {:.1} ms", 1e3 * seconds))
    }

    /// How numbers are kept and multiplied, where that differs from single precision.
    pub(super) fn precision(&self) -> String {
        let Some(device) = self.opened.get().and_then(Option::as_ref) else { return String::new() };
        let half = if device.halves() { ", activations in f16" } else { "" };
        let units = match device.matrix_unit() {
            Some(unit) if unit.half => ", products by matrix units in f16",
            Some(_) => ", products by matrix units",
            None => "",
        };
        format!("{half}{units}")
    }

    /// What was chosen, and why, unless the device was named.
    pub(super) fn verdict(&self) -> Option<String> {
        (!self.always).then(|| match (self.in_use(), self.opened.get()) {
            (Some(name), _) => format!("socrun: on the GPU `{name}` where it pays, else on the CPU"),
            (None, Some(None)) => "socrun: on the CPU, because there is no GPU that can be used".to_owned(),
            (None, _) => "socrun: on the CPU, because the work is too little for a GPU".to_owned(),
        })
    }
}
