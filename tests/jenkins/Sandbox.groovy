import org.codehaus.groovy.ast.ClassCodeVisitorSupport
import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.MethodNode
import org.codehaus.groovy.ast.expr.ClassExpression
import org.codehaus.groovy.ast.expr.ConstructorCallExpression
import org.codehaus.groovy.ast.expr.GStringExpression
import org.codehaus.groovy.ast.expr.ListExpression
import org.codehaus.groovy.ast.expr.MethodCallExpression
import org.codehaus.groovy.ast.expr.PropertyExpression
import org.codehaus.groovy.ast.expr.StaticMethodCallExpression
import org.codehaus.groovy.ast.expr.VariableExpression
import org.codehaus.groovy.control.CompilationUnit
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.Phases
import org.codehaus.groovy.control.SourceUnit

/**
 * Finds calls in the library that Jenkins' sandbox can reject: all calls except those of the library's own methods, of
 * steps, and of the members listed here. The listed members are in the generic whitelist of script-security for every
 * type on which the library uses them, or are members of a build that Jenkins allows.
 */
class Sandbox extends ClassCodeVisitorSupport {

    private static final Set<String> STEPS = ['archiveArtifacts', 'echo', 'getContext', 'httpRequest', 'isUnix', 'parallel', 'powershell', 'retry',
                                              'sh', 'stage', 'string', 'timeout', 'withCredentials', 'withEnv', 'writeFile']
    private static final Set<String> METHODS = ['add', 'addAll', 'any', 'call', 'clone', 'collect', 'collectEntries', 'contains', 'containsKey',
        'drop', 'every', 'find', 'findAll', 'getBuildCauses', 'hashCode', 'indexOf', 'isEmpty', 'isInteger', 'isLong', 'join', 'keySet',
        'lastIndexOf', 'length', 'parse', 'parseText', 'plusMillis', 'remove', 'replace', 'replaceAll', 'size', 'startsWith', 'substring',
        'take', 'toInteger', 'toLong', 'toLowerCase', 'toString', 'tokenize', 'trim']
    private static final Set<String> STATIC = ['Arrays.asList', 'JsonOutput.toJson', 'Math.max', 'Math.min',
                                               'System.currentTimeMillis',
                                               'System.identityHashCode', 'UUID.randomUUID', 'Instant.parse', 'Integer.toString',
                                               'URLDecoder.decode', 'String.valueOf']
    private static final Set<String> NEW = ['java.util.ArrayList', 'groovy.json.JsonSlurper']
    private static final Set<String> PROPERTIES = ['env', 'currentBuild', 'steps', 'message', 'class', 'simpleName', 'delegate', 'resolveStrategy',
        'DELEGATE_FIRST', 'absoluteUrl', 'buildCauses', 'currentResult', 'externalizableId', 'fullProjectName', 'number', 'key', 'value',
        'ISO_OFFSET_DATE_TIME']
    /** These need a trusted library and handle a rejection. A test covers the rejection of each. */
    private static final Set<String> TRUSTED_ONLY = ['Transport.byController', 'Transport.exchange', 'Transport.text', 'Address.isConfigured',
                                                     'Recorder.interruptedStatus', 'FlowGraph.isAllowed', 'FlowGraph.facts',
                                                     'FlowGraph.worstResult', 'FlowGraph.resultOf', 'FlowGraph.swallowedResult']

    private final SourceUnit unit
    private final Set<ClassNode> own
    private final List<String> problems
    private String here

    private Sandbox(SourceUnit unit, Set<ClassNode> own, List<String> problems) {
        this.unit = unit
        this.own = own
        this.problems = problems
    }

    static List<String> problems(File root, List<File> sources) {
        List<String> problems = []
        CompilationUnit compilation = new CompilationUnit(new CompilerConfiguration(), null, new GroovyClassLoader(Sandbox.classLoader))
        // Each variable is a class named after its file, and the two libraries can share a file name.
        compilation.addSources(sources.toUnique { it.name } as File[])
        compilation.compile(Phases.SEMANTIC_ANALYSIS)
        List<ClassNode> own = compilation.AST.classes
        compilation.iterator().each { SourceUnit unit ->
            unit.AST.classes.each { new Sandbox(unit, own.toSet(), problems).visitClass(it) }
        }
        return problems.sort()
    }

    @Override
    void visitMethod(MethodNode method) {
        here = method.declaringClass.nameWithoutPackage + '.' + method.name
        // Groovy adds a main method to every script.
        if (!(here in TRUSTED_ONLY) && method.name != 'main') {
            super.visitMethod(method)
        }
    }

    @Override
    void visitMethodCallExpression(MethodCallExpression call) {
        String name = call.methodAsString
        if (call.objectExpression instanceof ClassExpression) {
            onClass(call.objectExpression.type, name, call.arguments)
        } else if (call.objectExpression.text.endsWith('steps')) {
            // The library calls steps by a variable name only in the place of the same step, called by the pipeline.
            check(name in STEPS || call.method instanceof GStringExpression, 'step ' + name)
        } else {
            check(name in METHODS || own.any { it.getMethods(name) } || call.implicitThis && name in ['body'], name)
        }
        super.visitMethodCallExpression(call)
    }

    @Override
    void visitStaticMethodCallExpression(StaticMethodCallExpression call) {
        onClass(call.ownerType, call.method, call.arguments)
        super.visitStaticMethodCallExpression(call)
    }

    @Override
    void visitConstructorCallExpression(ConstructorCallExpression call) {
        check(call.specialCall || isOwn(call.type) || call.type.name in NEW, 'new ' + call.type.name)
        super.visitConstructorCallExpression(call)
    }

    @Override
    void visitPropertyExpression(PropertyExpression property) {
        String name = property.propertyAsString
        boolean ofMap = property.objectExpression.text ==~
            /.*(env|arguments|facts|fields|known|record|result|content|error|response|reply|state|thread|it|outer|causes\[0\])/
        check(ofMap || name in PROPERTIES || own.any { it.getDeclaredField(name) }, '.' + name)
        super.visitPropertyExpression(property)
    }

    @Override
    void visitVariableExpression(VariableExpression variable) {
        boolean known = variable.accessedVariable == null || !(variable.accessedVariable.class.simpleName == 'DynamicVariable')
        check(known || variable.name in ['env', 'steps', 'recorders'], '.' + variable.name)
    }

    @Override
    protected SourceUnit getSourceUnit() {
        return unit
    }

    private void onClass(ClassNode type, String name, Object arguments) {
        String call = type.nameWithoutPackage + '.' + name
        boolean list = call == 'JsonOutput.toJson' && arguments.expressions[0] instanceof ListExpression
        check(isOwn(type) || call in STATIC && !list, call + (list ? '(List)' : ''))
    }

    private boolean isOwn(ClassNode type) {
        return own.any { it.name == type.name }
    }

    private void check(boolean allowed, String what) {
        if (!allowed) {
            problems.add(here + ': ' + what)
        }
    }

}
