import groovy.transform.Field
import io.deploylog.Recorders

@Field final Recorders recorders = new Recorders()

// Always call steps.stage: a plain stage call would call this variable again.

Object call(String name) {
    return steps.stage(name)
}

Object call(Map arguments) {
    return steps.stage(arguments)
}

Object call(String name, Closure body) {
    if (name.startsWith('Declarative: ')) {
        return steps.stage(name, body)
    }
    return steps.stage(name) { recorders.stage(this, [:], name, body) }
}

Object call(Map arguments, Closure body) {
    return steps.stage(arguments) { recorders.stage(this, [:], arguments.name.toString(), body) }
}
