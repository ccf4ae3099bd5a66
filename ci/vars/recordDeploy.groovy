import groovy.transform.Field
import io.deploylog.Recorders
import io.deploylog.StagePath

@Field final Recorders recorders = new Recorders()

Object call(Map arguments = [:], Closure body) {
    // Steps called in the body that it does not define itself come to this script first: so to stage and parallel below.
    // The owner goes first, or the body could no longer set the variables of its own Jenkinsfile.
    body.delegate = this
    body.resolveStrategy = Closure.OWNER_FIRST
    return recorders.deploy(this, arguments, body)
}

Object stage(String name, Closure body) {
    return steps.stage(name) { recorders.stageOfDeploy(this, name, body) }
}

Object stage(Map arguments, Closure body) {
    return steps.stage(arguments) { recorders.stageOfDeploy(this, arguments.name.toString(), body) }
}

Object parallel(Map branches) {
    return steps.parallel(new StagePath(this).branches(branches))
}
