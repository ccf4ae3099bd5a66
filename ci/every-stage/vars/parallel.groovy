import io.deploylog.StagePath

// Without the names of the branches, stages of equal names in two of them could not be told apart.
Object call(Map branches) {
    return steps.parallel(new StagePath(this).branches(branches))
}
