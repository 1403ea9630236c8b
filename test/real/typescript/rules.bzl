"""TypeScript by the compiler of rules_nodejs' ts_library, which stays between actions."""

def _typescript(ctx):
    base = ctx.label.name
    outs = [ctx.actions.declare_file(base + end) for end in (".js", ".d.ts", ".trace.json")]
    tsconfig = ctx.actions.declare_file(base + ".tsconfig.json")
    declarations = [file for file in ctx.files.deps if file.path.endswith(".d.ts")]
    files = [ctx.file.src] + declarations
    bin = ctx.bin_dir.path
    top = "/".join([".."] * len(bin.split("/")))
    ctx.actions.write(tsconfig, json.encode({
        "bazelOptions": {
            "workspaceName": ctx.workspace_name,
            "target": str(ctx.label),
            "package": ctx.label.package,
            "compilationTargetSrc": [ctx.file.src.path],
            "disableStrictDeps": True,
            "es5Mode": True,
            "typeCheck": True,
            # What the process has done since it started.
            "perfTracePath": outs[2].path,
            "expectedDiagnostics": [],
        },
        "compilerOptions": {
            "declaration": True,
            "lib": ["es2020"],
            "module": "commonjs",
            "moduleResolution": "node",
            "outDir": ".",
            "rootDir": top,
            "rootDirs": [top, "."],
            "strict": True,
            "target": "es2020",
            "types": [],
        },
        "files": [top + "/" + file.path for file in files],
    }))
    ctx.actions.run(
        outputs = outs,
        inputs = files + [tsconfig],
        executable = ctx.file._node,
        tools = ctx.files._compiler,
        # Two: it is the compiler that reads the file.
        arguments = [ctx.file._wrapped.path, "@@" + tsconfig.path],
        mnemonic = "TypeScriptCompile",
        execution_requirements = {"supports-workers": "1"},
    )
    return [DefaultInfo(files = depset(outs))]

typescript = rule(
    implementation = _typescript,
    attrs = {
        "src": attr.label(allow_single_file = [".ts"]),
        "deps": attr.label_list(),
        "_node": attr.label(default = "//tools:node", allow_single_file = True, cfg = "exec"),
        "_wrapped": attr.label(
            default = "//tools:node_modules/@bazel/concatjs/internal/tsc_wrapped/tsc_wrapped.js",
            allow_single_file = True,
            cfg = "exec",
        ),
        "_compiler": attr.label(default = "//tools:compiler", cfg = "exec"),
    },
)
