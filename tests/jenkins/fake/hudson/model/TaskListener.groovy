package hudson.model

/** Replaces the class that receives the log of a build. */
class TaskListener {

    static final TaskListener NULL = new TaskListener()

}
