import io.deploylog.Given
import io.deploylog.StagePath

// Adds branch names to stage paths: stages in two branches can have the same name.
Object call(Object... arguments) {
    Given given = Given.of(arguments)
    return given.shape == 'm' ? steps.parallel(new StagePath(this, env.STAGE_NAME).branches(given.named)) : given.pass(steps, 'parallel')
}
