"""Outputs that are more than one plain file: directories and symbolic links."""

def _directory(ctx, command):
    out = ctx.actions.declare_directory(ctx.label.name + ".d")
    ctx.actions.run_shell(
        outputs = [out],
        command = command,
        arguments = [out.path],
        mnemonic = "Directory",
        use_default_shell_env = True, # so that --action_env=SALT=... makes a new action of it
    )
    return DefaultInfo(files = depset([out]))

def _tree_impl(ctx):
    return _directory(ctx, """
        cd "$1" && mkdir -p a/deep/er z
        echo one > a/one.txt; echo two > a/deep/er/two.txt; : > empty.txt
        printf '#!/bin/sh\\necho ran\\n' > z/run.sh; chmod 755 z/run.sh
    """)

tree = rule(implementation = _tree_impl)

def _tree_with_links_impl(ctx):
    return _directory(ctx, """
        cd "$1" && mkdir sub
        echo target > sub/target.txt
        ln -s sub/target.txt to_file; ln -s target.txt sub/beside; ln -s ../sub/target.txt sub/up
        ln -s sub to_directory
    """)

tree_with_links = rule(implementation = _tree_with_links_impl)

def _listing_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".txt")
    tree = ctx.files.tree[0]
    ctx.actions.run_shell(
        inputs = [tree],
        outputs = [out],
        # -L: whether Bazel sends a link or the file behind it is Bazel's business.
        command = """(cd "$1" && find -L . -type f -exec sh -c 'echo "$1: $(head -1 "$1")"' - {} ';' | LC_ALL=C sort) > "$2" """,
        arguments = [tree.path, out.path],
        mnemonic = "Listing",
        use_default_shell_env = True,
    )
    return DefaultInfo(files = depset([out]))

listing = rule(
    implementation = _listing_impl,
    attrs = {"tree": attr.label(mandatory = True)},
)

def _dangling_symlink_impl(ctx):
    out = ctx.actions.declare_symlink(ctx.label.name)
    ctx.actions.run_shell(
        outputs = [out],
        command = 'ln -s nowhere/at/all "$1"',
        arguments = [out.path],
        mnemonic = "Dangling",
        use_default_shell_env = True,
    )
    return DefaultInfo(files = depset([out]))

dangling_symlink = rule(implementation = _dangling_symlink_impl)
