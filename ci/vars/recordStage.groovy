import groovy.transform.Field
import io.deploylog.Given
import io.deploylog.Recorders

@Field final Recorders recorders = new Recorders()

Object call(Object... arguments) {
    Given given = Given.of(arguments)
    if (!(given.shape in ['nb', 'mnb'])) {
        return given.wrong(this, 'recordStage', "recordStage('Migrate') { … } or recordStage('Migrate', component: 'shop') { … }")
    }
    return steps.stage(given.name, recorders.stage(this, given.named, given.name, given.body))
}
