/** The project's own Jenkinsfile, run with programs that only write down their arguments. */
class OwnPipeline {

    private static final List<String> CHECKS = ['docker compose version', 'cargo fmt --check',
                                               'cargo clippy --all-targets --locked -- -D warnings', 'tests/run']

    static void define(Suite suite) {
        suite.test('the Jenkinsfile loads both libraries from the commit that is built and records its stages and its deploy') {
            Build build = build(suite, [BRANCH_NAME: 'main'])
            DeclarativeFile file = new DeclarativeFile(build)
            Suite.expect(calls(build, file, true), CHECKS + ['docker compose build', 'docker compose up -d',
                'docker compose exec -T deploylog deploylog healthcheck'], build)
            Suite.expect(file.libraries*.identifier, ['deploylog@scm', 'deploylog-every-stage@scm'])
            Suite.expect(file.libraries*.retriever*.scm.unique(), ['the commit that is built'])
            Suite.expect(file.libraries*.retriever*.libraryPath.findAll { new File(Build.root, it + 'vars').directory }.size(), 2)
            List<Map> records = suite.service.records(build.run)
            Suite.expect(Service.lines(records)*.replaceAll(/ [\d.]+$/, ''), ['Check started', 'Check succeeded', 'Test started',
                'Test succeeded', 'Image started', 'Image succeeded', 'Deploy started', 'deploy started', 'deploy deployed',
                'Deploy succeeded'], build)
            Suite.expect(records.findAll { !it.stage }.collect { [it.component, it.environment] }.unique(), [['deploylog', 'production']])
        }
        suite.test('the Jenkinsfile uses docker-compose where docker has no compose') {
            Build build = build(suite, [BRANCH_NAME: 'main'])
            Suite.expect(calls(build, new DeclarativeFile(build), false), CHECKS + ['docker-compose build', 'docker-compose up -d',
                'docker-compose exec -T deploylog deploylog healthcheck'], build)
        }
        suite.test('the Jenkinsfile deploys only the main branch, in multibranch jobs and in others') {
            [
                [[GIT_BRANCH: 'origin/main'], true], [[BRANCH_NAME: 'main', GIT_BRANCH: 'main'], true], [[GIT_LOCAL_BRANCH: 'main'], true],
                [[GIT_BRANCH: 'origin/main-2'], false], [[BRANCH_NAME: 'PR-7', GIT_BRANCH: 'PR-7'], false], [[:], false],
            ].each { Map environment, boolean deploys ->
                Build build = build(suite, environment)
                Suite.expect('docker compose up -d' in calls(build, new DeclarativeFile(build), true), deploys, build)
            }
        }
    }

    private static Build build(Suite suite, Map environment) {
        Build build = suite.build(everyStage: true)
        build.environment.putAll(environment)
        return build
    }

    /** The calls of the programs, in a workspace of their own. */
    private static List<String> calls(Build build, DeclarativeFile file, boolean hasCompose) {
        File folder = File.createTempDir('programs', '')
        File calls = new File(folder, 'calls')
        ['cargo', 'docker', 'docker-compose', 'tests/run'].each { name ->
            File program = new File(folder, name)
            program.parentFile.mkdirs()
            program.text = """#!/bin/sh
                echo ${name} "\$@" >> ${calls}
                [ "\$1" != compose ] || ${hasCompose}
                """
            program.executable = true
        }
        build.environment.PATH = folder.path + ':' + System.getenv('PATH')
        try {
            Throwable thrown = file.run(new File(Build.root, 'Jenkinsfile').text.replace('tests/run', folder.path + '/tests/run'))
            Suite.expect(thrown, null, build)
            return calls.readLines()
        } finally {
            folder.deleteDir()
        }
    }

}
