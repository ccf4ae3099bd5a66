import groovy.transform.Field
import io.deploylog.Given
import io.deploylog.Recorders
import io.deploylog.Waiting

@Field final Recorders recorders = new Recorders()

// Always call steps.stage: a plain stage call would call this variable again.
Object call(Object... arguments) {
    Given given = Given.of(arguments)
    String name = given.stageName()
    if (name == null || name.startsWith('Declarative: ')) {
        return given.pass(steps, 'stage')
    }
    new Waiting(this, true).observe()
    return steps.stage(given.shape == 'mb' ? given.named : name, recorders.stage(this, [:], name, given.body))
}
