/** Causes of the interruption of a build, branch or step. */
class Causes {

    static class ExceededTimeout implements Serializable { private static final long serialVersionUID = 1L }

    static class UserInterruption implements Serializable { private static final long serialVersionUID = 1L }

    static class DownstreamFailure implements Serializable { private static final long serialVersionUID = 1L }

    static class FailFast implements Serializable { private static final long serialVersionUID = 1L }

    static class Rejection implements Serializable { private static final long serialVersionUID = 1L }

}
