import groovy.transform.Field
import io.deploylog.Recorders

@Field final Recorders recorders = new Recorders()

void call(Map arguments = [:]) {
    recorders.status(this, arguments)
}
