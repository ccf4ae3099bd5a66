import io.deploylog.Given
import io.deploylog.Nodes
import io.deploylog.Waiting

Object call(Object... arguments) {
    return new Waiting(this, true).block('node', Given.of(arguments), new Nodes(this))
}
