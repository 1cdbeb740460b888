//! What is compiled, as text: Cranelift functions and machine code.

use std::fmt::Write;

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::CallConv;
use mpcc_program::code::RoleCode;

use crate::kernel::{Plan, plan};
use crate::{CodegenError, Extensions, emit, host};

/// The Cranelift functions of all distinct maps, before optimisation. The text depends on the code only,
/// not on the processor.
///
/// # Errors
/// As [`crate::Jit::compile`].
pub fn clif(code: &RoleCode) -> Result<String, CodegenError> {
    let config = host(Extensions::All)?.frontend_config();
    let plan = plan(code)?;
    let mut text = String::new();
    for (index, kernel) in (0..).zip(&plan.kernels) {
        heading(&mut text, &plan, index as usize);
        let function = emit::function(kernel, index, CallConv::SystemV, config);
        writeln!(text, "{}", function.display()).expect("a string can always be written to");
    }
    Ok(text)
}

/// The machine code of all distinct maps for this processor with these of its extensions, in Cranelift's assembly
/// notation.
///
/// # Errors
/// As [`crate::Jit::compile`].
pub fn assembly(extensions: Extensions, code: &RoleCode) -> Result<String, CodegenError> {
    let isa = host(extensions)?;
    let config = isa.frontend_config();
    let plan = plan(code)?;
    let mut text = String::new();
    for (index, kernel) in (0..).zip(&plan.kernels) {
        heading(&mut text, &plan, index as usize);
        let function = emit::function(kernel, index, config.default_call_conv, config);
        let mut context = Context::for_function(function);
        context.set_disasm(true);
        let compiled = context
            .compile(&*isa, &mut ControlPlane::default())
            .map_err(|e| CodegenError::Kernel { kernel: index as usize, reason: format!("{:?}", e.inner) })?;
        text.push_str(compiled.vcode.as_deref().unwrap_or_default());
        text.push('\n');
    }
    Ok(text)
}

/// A comment that says which maps call a kernel.
fn heading(text: &mut String, plan: &Plan, kernel: usize) {
    let callers = plan.launches.iter().enumerate().filter(|(_, launch)| launch.kernel == kernel);
    let callers: Vec<_> = callers.map(|(id, _)| id.to_string()).collect();
    let plural = if callers.len() == 1 { "" } else { "s" };
    writeln!(text, "; kernel {kernel}: map{plural} {}", callers.join(", ")).expect("a string can always be written to");
}
