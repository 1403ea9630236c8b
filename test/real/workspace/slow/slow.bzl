"""An action that takes a given time, by two flags of the command line."""

Flag = provider(fields = ["value"])

def _flag_impl(ctx):
    return Flag(value = ctx.build_setting_value)

flag_int = rule(implementation = _flag_impl, build_setting = config.int(flag = True))
flag_string = rule(implementation = _flag_impl, build_setting = config.string(flag = True))

def _slow_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".txt")
    ctx.actions.run_shell(
        outputs = [out],
        command = 'sleep "$1" && echo "$2 after $1 s" > "$3"',
        arguments = [str(ctx.attr._seconds[Flag].value), ctx.attr._salt[Flag].value, out.path],
        mnemonic = "Slow",
        use_default_shell_env = True,
    )
    return DefaultInfo(files = depset([out]))

slow = rule(
    implementation = _slow_impl,
    attrs = {
        "_seconds": attr.label(default = "//slow:seconds"),
        "_salt": attr.label(default = "//slow:salt"),
    },
)
