import groovy.transform.Field
import io.deploylog.Given
import io.deploylog.Recorders

@Field final Recorders recorders = new Recorders()

// Always call steps.stage: a plain stage call would call this variable again.
Object call(Object... arguments) {
    Given given = Given.of(arguments)
    String name = given.stageName()
    if (name == null || name.startsWith('Declarative: ')) {
        return steps.invokeMethod('stage', arguments)
    }
    return steps.stage(given.shape == 'mb' ? given.named : name) { recorders.stage(this, [:], name, given.body) }
}
