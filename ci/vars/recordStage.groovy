import groovy.transform.Field
import io.deploylog.Recorders

@Field final Recorders recorders = new Recorders()

Object call(Map arguments = [:], String name, Closure body) {
    return steps.stage(name) { recorders.stage(this, arguments, name, body) }
}
