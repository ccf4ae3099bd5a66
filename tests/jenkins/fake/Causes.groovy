/** Causes of the interruption of a build, branch or step, with the words of their `getShortDescription`. */
class Causes {

    // Source: workflow-basic-steps TimeoutStepExecution.java
    static class ExceededTimeout implements Serializable {

        private static final long serialVersionUID = 1L
        final String shortDescription = 'Timeout has been exceeded'
        /** The flow node of the step, which tells apart the timeouts of a build. */
        String nodeId

    }

    // Source: jenkins CauseOfInterruption.java
    static class UserInterruption implements Serializable {

        private static final long serialVersionUID = 1L
        final String shortDescription = 'Aborted by Ana'

    }

    // Source: pipeline-build-step DownstreamFailureCause.java
    static class DownstreamFailure implements Serializable {

        private static final long serialVersionUID = 1L
        String shortDescription

    }

    // Source: workflow-cps ParallelStep.java
    static class FailFastCause implements Serializable {

        private static final long serialVersionUID = 1L
        String shortDescription

    }

    // Source: pipeline-input-step Rejection.java
    static class Rejection implements Serializable {

        private static final long serialVersionUID = 1L
        final String shortDescription = 'Rejected by Ana'

    }

}
