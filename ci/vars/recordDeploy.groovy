import groovy.transform.Field
import io.deploylog.Given
import io.deploylog.Nodes
import io.deploylog.Recorders
import io.deploylog.StagePath
import io.deploylog.Waiting

@Field final Recorders recorders = new Recorders()

Object call(Object... arguments) {
    Given given = Given.of(arguments)
    if (!(given.shape in ['b', 'mb'])) {
        return given.wrong(this, 'recordDeploy', "recordDeploy(component: 'shop', version: '2.1') { … }")
    }
    // Names in the body mean the methods below, then what they meant before. A closure looks for a method in its owner and
    // its delegate before it asks either to resolve the name (groovy-sandbox Checker.java, groovy MetaClassImpl.java). The
    // owner of `names` is this script, and a clone of the body resolves names as the body did.
    Closure before = given.body.clone()
    Closure names = { }
    names.delegate = before
    names.resolveStrategy = Closure.DELEGATE_FIRST
    given.body.delegate = names
    given.body.resolveStrategy = Closure.DELEGATE_FIRST
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
    return new Waiting(this).block('node', Given.of(arguments), new Nodes(this))
}

Object lock(Object... arguments) {
    return new Waiting(this).block('lock', Given.of(arguments))
}

Object input(Object... arguments) {
    return new Waiting(this).whole('input', Given.of(arguments))
}
