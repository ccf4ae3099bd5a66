import groovy.transform.Field
import io.deploylog.Given
import io.deploylog.Recorders

@Field final Recorders recorders = new Recorders()

Object call(Object... arguments) {
    Given given = Given.of(arguments)
    if (given.shape != 'm') {
        return given.wrong(this, 'recordStatus', "recordStatus(status: 'rolled_back')")
    }
    recorders.status(this, given.named)
    return null
}
