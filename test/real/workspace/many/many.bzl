"""Many small actions that do not wait for each other, and one that needs them all."""

def many(name, count):
    parts = ["%s_%d" % (name, i) for i in range(count)]
    for i, part in enumerate(parts):
        native.genrule(
            name = part,
            outs = [part + ".txt"],
            cmd = "echo %d > $@" % i,
        )
    native.genrule(
        name = name,
        srcs = parts,
        outs = [name + ".txt"],
        cmd = "cat $(SRCS) > $@",
    )
