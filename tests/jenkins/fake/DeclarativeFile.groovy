/** Runs a Declarative Jenkinsfile given as text. It knows the directives that the project's own Jenkinsfile has. */
class DeclarativeFile {

    /** The arguments of the calls of the `library` step. */
    final List<Map> libraries = []
    private final Build build

    DeclarativeFile(Build build) {
        this.build = build
    }

    Throwable run(String text) {
        return build.run { script ->
            Script file = build.classes.parseClass(text, 'WorkflowScript.groovy').newInstance()
            file.binding.setVariable('scm', 'the commit that is built')
            file.binding.setVariable('legacySCM') { Map args -> args }
            file.binding.setVariable('library') { Map args -> libraries.add(args) }
            // The node comes first, because the values of the environment can call steps.
            file.binding.setVariable('pipeline') { Closure body ->
                build.steps.node { new ModelInterpreter(file, read(body, new Section(env: build.environment))).run() }
            }
            file.run()
        }
    }

    private static Map read(Closure body, Section section) {
        evaluate(body, section)
        return section.content
    }

    private static void evaluate(Closure body, Object delegate) {
        body.delegate = delegate
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body.call()
    }

    /** The pipeline, or a stage. */
    private static class Section {

        final String any = 'any'
        final Map content = [:]
        Map env

        void agent(String label) {
            content.agent = label
        }

        void options(Closure body) {
            assert body
        }

        void environment(Closure body) {
            content.environment = [:]
            evaluate(body, content.environment)
        }

        void stages(Closure body) {
            content.stages = []
            body.call()
        }

        void stage(String name, Closure body) {
            content.stages.add([name: name] + read(body, new Section(env: env)))
        }

        void when(Closure body) {
            When when = new When(env: env)
            evaluate(body, when)
            content.when = when.results.every()
        }

        void steps(Closure body) {
            content.steps = body
        }

    }

    /** Conditions, see pipeline-model-definition BranchConditionalScript.groovy and EnvironmentConditionalScript.groovy. */
    private static class When {

        final List<Boolean> results = []
        Map env

        void anyOf(Closure body) {
            When nested = new When(env: env)
            evaluate(body, nested)
            results.add(nested.results.any())
        }

        void branch(String name) {
            results.add((env.BRANCH_NAME ?: env.GIT_LOCAL_BRANCH) == name)
        }

        void environment(Map args) {
            results.add(env[args.name] == args.value)
        }

    }

}
