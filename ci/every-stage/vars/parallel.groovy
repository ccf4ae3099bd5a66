import io.deploylog.StagePath

// Adds branch names to stage paths: stages in two branches can have the same name.
Object call(Map branches) {
    return steps.parallel(new StagePath(this).branches(branches))
}
