import io.deploylog.Given
import io.deploylog.Waiting

Object call(Object... arguments) {
    return new Waiting(this, true).whole('input', Given.of(arguments))
}
