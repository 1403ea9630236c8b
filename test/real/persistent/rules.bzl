"""A rule whose compiler can stay between actions."""

def _capitals(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".out")
    args = ctx.actions.args()
    args.add(out, format = "--out=%s")
    args.add_all(ctx.attr.flags)
    args.add(ctx.file.src)
    args.use_param_file("@%s", use_always = True)
    args.set_param_file_format("multiline")
    ctx.actions.run(
        outputs = [out],
        inputs = [ctx.file.src],
        executable = ctx.file._compiler,
        tools = [ctx.file._compiler],
        arguments = (["--json"] if ctx.attr.json else []) + [args],
        mnemonic = "Capitals",
        execution_requirements = {"supports-workers": "1"},
    )
    return [DefaultInfo(files = depset([out]))]

capitals = rule(
    implementation = _capitals,
    attrs = {
        "src": attr.label(allow_single_file = True),
        "flags": attr.string_list(),
        "json": attr.bool(),
        "_compiler": attr.label(default = ":compiler.py", allow_single_file = True, cfg = "exec"),
    },
)
