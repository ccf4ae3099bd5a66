import groovy.transform.Field
import io.deploylog.Given
import io.deploylog.Recorders
import io.deploylog.StagePath
import io.deploylog.Waiting

@Field final Recorders recorders = new Recorders()

Object call(Object... arguments) {
    Given given = Given.of(arguments)
    if (!(given.shape in ['b', 'mb'])) {
        return given.wrong(this, 'recordDeploy', "recordDeploy(component: 'shop', version: '2.1') { … }")
    }
    // Steps that the Jenkinsfile does not define itself are called on this script, so the methods below meet them.
    // The owner comes first: otherwise the body could not set variables of its Jenkinsfile.
    given.body.delegate = this
    given.body.resolveStrategy = Closure.OWNER_FIRST
    return recorders.deploy(this, given.named, given.body)
}

Object stage(String name, Closure body) {
    return steps.stage(name, recorders.stageOfDeploy(this, name, body))
}

Object stage(Map arguments, Closure body) {
    return steps.stage(arguments, recorders.stageOfDeploy(this, arguments.name.toString(), body))
}

Object parallel(Map branches) {
    return steps.parallel(new StagePath(this, env.STAGE_NAME).branches(branches))
}

Object node(Object... arguments) {
    return new Waiting(this).block('node', Given.of(arguments))
}

Object lock(Object... arguments) {
    return new Waiting(this).block('lock', Given.of(arguments))
}

Object input(Object... arguments) {
    return new Waiting(this).whole('input', Given.of(arguments))
}
